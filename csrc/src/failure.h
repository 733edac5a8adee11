/* The one way in which an allocation fails. */
#ifndef HAKMEM_FAILURE_H
#define HAKMEM_FAILURE_H

#include "base.h"

/* Tells the failure hook, sets errno to ENOMEM, returns null. */
void *hakmem_out_of_memory(size_t size, size_t align);

#endif
