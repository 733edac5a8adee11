/* What the unloading of a library with hakmem in it, in unload.c, must know beforehand. */
#ifndef HAKMEM_UNLOAD_H
#define HAKMEM_UNLOAD_H

/* Registers a handler of exit, because a destructor does not tell why it runs. When the process ends, handlers come
 * before libraries' destructors; when a library is unloaded, after its own. Called where the library is loaded; that is
 * too early for libraries which are there before the program's own code, so once more where a second thread takes a
 * heap. */
void hakmem_watch_for_end(void);

#endif
