/* The system's memory calls and its clock; the only place that makes them. Nothing here keeps state about memory.
 * Addresses and sizes are multiples of hakmem_os_page_size() unless said otherwise. Every call is thread-safe. */
#ifndef HAKMEM_OS_H
#define HAKMEM_OS_H

#include "base.h"

/* The system's page size in bytes, read at run time (4, 16 or 64 KiB). */
size_t hakmem_os_page_size(void);

/* Address space of `size` bytes that cannot be touched yet, aligned to `align` (a power of two). Null if refused. */
void *hakmem_os_reserve(size_t size, size_t align);

/* Makes reserved memory usable; it reads as zero. False if refused; then nothing has changed. */
bool hakmem_os_commit(void *p, size_t size);

/* Takes memory back so that it cannot be touched and costs nothing; the address space stays reserved. False if refused; then
 * nothing has changed. */
bool hakmem_os_decommit(void *p, size_t size);

/* Gives the contents back to the system; the memory stays usable. True: it reads as zero from now on. False: the
 * system kept the contents (locked memory, an emulator). */
bool hakmem_os_purge(void *p, size_t size);

/* A mapping of its own, usable and zero, aligned to `align`. Null if refused. */
void *hakmem_os_map(size_t size, size_t align);
void hakmem_os_unmap(void *p, size_t size);

/* The huge pages of the processors that are tested. */
#define HUGE_PAGE (2 * MIB)

/* Asks for huge pages where the range is touched for the first time; the system may not care. */
void hakmem_os_prefer_huge_pages(void *p, size_t size);

/* A first touch costs one of the system's pages again, as in a reservation. */
void hakmem_os_prefer_small_pages(void *p, size_t size);

/* How many bytes of the range have memory behind them. None where the system does not tell. */
size_t hakmem_os_resident_bytes(const void *p, size_t size);

/* Resizes a mapping made by hakmem_os_map, moving it where it must; what is new reads as zero. The result is aligned to
 * the system's page only. Null if refused or not offered; then the old mapping is whole. */
void *hakmem_os_remap(void *p, size_t old_size, size_t new_size, bool may_move);

/* Moves the pages of a committed range of a reservation to a mapping of their own, without copying; the range stays committed and
 * reads as zero afterwards. Aligned to the system's page. Null if refused or not offered (Linux before 5.7); then nothing has
 * changed. */
void *hakmem_os_move_out(void *p, size_t size);

/* What a move leaves where the pages were: address space that is anyone's, or memory that is as usable and reads as zero. */
typedef enum { LEAVE_NOTHING, LEAVE_ZEROES, LEAVE_COUNT } hakmem_leave_t;

/* Whether hakmem_os_move may be tried. */
bool hakmem_os_can_move(hakmem_leave_t leave);

/* MOVE_REFUSED: what was to be moved is where it was, and `to` is as it was, or fresh. MOVE_LOST: the same, but what is at `to` nobody
 * knows, and it may be another's by now; then nothing is moved any more. */
typedef enum { MOVE_DONE, MOVE_REFUSED, MOVE_LOST } hakmem_move_t;

/* Moves a mapping, or part of one, over what is mapped at `to`. */
hakmem_move_t hakmem_os_move(void *p, size_t size, void *to, hakmem_leave_t leave);

/* Bytes of address space that the process may have (RLIMIT_AS); SIZE_MAX if there is no limit. */
size_t hakmem_os_address_limit(void);

/* Milliseconds of a monotonic clock that is cheap to read and may be some milliseconds coarse. */
uint64_t hakmem_os_now_ms(void);

/* Lets other threads run. */
void hakmem_os_yield(void);

/* Debug builds: let `skip` calls that can be refused pass, refuse the next `count`, then pass again. Release builds
 * ignore it. For tests of exhaustion; hakmem_os_calls() numbers the calls so far that can be refused. */
void hakmem_os_inject_failures(long skip, long count);
long hakmem_os_calls(void);

#endif
