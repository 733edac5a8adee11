#include "idle.h"

#include "lock.h"
#include "options.h"
#include "os.h"
#include "recent.h"

enum { MOST = 64 };

/* Under the huge lock. */
static struct {
    hakmem_mapping_t mapping; /* start null: none */
    uint64_t since_ms;
} idle[MOST];

static const hakmem_mapping_t none;

static _Atomic size_t idle_bytes; /* relaxed: a figure */

/* One of them may have an aligned unit. Relaxed: a hint, written under the lock. */
static _Atomic bool any_unit;

static bool has_unit(const hakmem_mapping_t *mapping) {
    return mapping->bytes >= MAPPING_UNIT && (uintptr_t)mapping->start % MAPPING_UNIT == 0;
}

static void add_bytes(int64_t bytes) {
    atomic_fetch_add_explicit(&idle_bytes, (size_t)bytes, memory_order_relaxed);
}

size_t hakmem_idle_bytes(void) {
    return atomic_load_explicit(&idle_bytes, memory_order_relaxed);
}

/* The smallest that has `bytes`, or else the largest; null if that has not even `least`. */
static hakmem_mapping_t *best_for(size_t bytes, size_t least) {
    hakmem_mapping_t *best = NULL;
    for (int i = 0; i < MOST; i++) {
        hakmem_mapping_t *this = &idle[i].mapping;
        if (this->start == NULL || this->bytes < least) {
            continue;
        }
        if (best == NULL ||
            (best->bytes < bytes ? this->bytes > best->bytes : this->bytes >= bytes && this->bytes < best->bytes)) {
            best = this;
        }
    }
    return best;
}

/* The first `bytes`, or all if it has no more. */
static hakmem_mapping_t cut(hakmem_mapping_t *from, size_t bytes) {
    if (bytes < from->bytes) {
        return hakmem_mapping_cut(from, bytes);
    }
    hakmem_mapping_t all = *from;
    *from = none;
    return all;
}

/* The same of one that waits. */
static hakmem_mapping_t take(hakmem_mapping_t *from, size_t bytes) {
    hakmem_mapping_t taken = cut(from, bytes);
    add_bytes(-(int64_t)taken.bytes);
    return taken;
}

uint32_t hakmem_idle_take(size_t bytes, size_t least, hakmem_mapping_t pieces[IDLE_PIECES]) {
    size_t units = align_up(bytes, MAPPING_UNIT);
    hakmem_mapping_t *best = best_for(bytes, bytes);
    if (best != NULL) {
        /* A small rest is of no use to anyone, and would be a mapping more. */
        pieces[0] = take(best, best->bytes <= bytes + bytes / 8 ? best->bytes : units);
        return 1;
    }
    if (hakmem_idle_bytes() < least) {
        return 0;
    }
    uint32_t count = 0;
    while (units != 0 && count < IDLE_PIECES && (best = best_for(units, MAPPING_UNIT)) != NULL) {
        pieces[count] = take(best, min_size(units, align_down(best->bytes, MAPPING_UNIT)));
        units -= pieces[count++].bytes;
    }
    return count;
}

bool hakmem_idle_has_unit(void) {
    return hakmem_idle_bytes() >= MAPPING_UNIT && atomic_load_explicit(&any_unit, memory_order_relaxed);
}

bool hakmem_idle_take_unit(hakmem_mapping_t *unit) {
    hakmem_mapping_t *best = NULL;
    for (int i = 0; i < MOST; i++) {
        hakmem_mapping_t *this = &idle[i].mapping;
        if (this->start != NULL && has_unit(this) && (best == NULL || this->bytes < best->bytes)) {
            best = this;
        }
    }
    if (best != NULL) {
        *unit = take(best, MAPPING_UNIT);
    }
    atomic_store_explicit(&any_unit, best != NULL, memory_order_relaxed);
    return best != NULL;
}

static bool append_if_behind(hakmem_mapping_t *mapping, const hakmem_mapping_t *other) {
    return (char *)mapping->start + mapping->bytes == other->start && hakmem_mapping_append(mapping, other);
}

/* The mapping, made one with what waits right before it and right behind it: a block that was cut comes together again, and moves
 * by one call. */
static hakmem_mapping_t with_neighbours(hakmem_mapping_t mapping) {
    for (int i = 0; i < MOST; i++) {
        hakmem_mapping_t other = idle[i].mapping;
        if (other.start == NULL) {
            continue;
        }
        if (append_if_behind(&mapping, &other)) {
            idle[i].mapping = none;
        } else if (append_if_behind(&other, &mapping)) {
            mapping = other;
            idle[i].mapping = none;
        }
    }
    return mapping;
}

/* How much may wait. */
static size_t may_wait(void) {
    return (size_t)hakmem_recent_may_wait(IN_MAPPINGS);
}

hakmem_mapping_t hakmem_idle_keep(hakmem_mapping_t mapping) {
    if (option_purge_ms() == 0) {
        return mapping;
    }
    size_t most = may_wait(), waits = hakmem_idle_bytes(), room = most > waits ? most - waits : 0;
    if (room < mapping.bytes) {
        room = align_down(room, MAPPING_UNIT);
        if (hakmem_recent_too_much(IN_MAPPINGS)) { /* and it is not the peak that allows no more */
            hakmem_recent_gave_back((int64_t)(mapping.bytes - room));
        }
    } else {
        room = mapping.bytes;
    }
    if (room == 0) {
        return mapping;
    }
    hakmem_mapping_t rest = mapping;
    hakmem_mapping_t kept = with_neighbours(cut(&rest, room));
    for (int i = 0; i < MOST; i++) {
        if (idle[i].mapping.start == NULL) {
            idle[i].mapping = kept;
            idle[i].since_ms = hakmem_os_now_ms();
            if (has_unit(&kept)) {
                atomic_store_explicit(&any_unit, true, memory_order_relaxed);
            }
            add_bytes((int64_t)room);
            return rest;
        }
    }
    return mapping; /* no place, hence no neighbour either: as it was */
}

/* One of those that wait since `since_ms` or longer, while more than `stays` do; `whole`: all of it, else what is too much. */
static hakmem_mapping_t take_one(size_t stays, uint64_t since_ms, bool whole) {
    hakmem_mapping_t due = none;
    hakmem_lock(HAKMEM_LOCK_HUGE);
    size_t waits = hakmem_idle_bytes();
    for (int i = 0; i < MOST && waits > stays && due.start == NULL; i++) {
        if (idle[i].mapping.start != NULL && idle[i].since_ms <= since_ms) {
            due = take(&idle[i].mapping, whole ? idle[i].mapping.bytes : align_up(waits - stays, MAPPING_UNIT));
        }
    }
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    return due;
}

/* Not under the lock: it takes long for much memory. False: there was nothing to unmap. */
static bool unmap(hakmem_mapping_t due) {
    if (due.start != NULL) {
        hakmem_os_unmap(due.start, due.bytes);
    }
    return due.start != NULL;
}

/* Both below end after a while though others may add all the time. */

void hakmem_idle_tick(uint64_t now_ms, bool all) {
    /* What was in use just before stays, as slots do. */
    size_t stays = all ? 0 : (size_t)hakmem_recent_above(IN_MAPPINGS);
    uint64_t since_ms = all ? UINT64_MAX : option_purge_since(now_ms);
    int unmapped = 0;
    while (unmapped < MOST && hakmem_idle_bytes() > stays && unmap(take_one(stays, since_ms, false))) {
        unmapped++;
    }
    if (all) {
        hakmem_recent_forget();
    } else if (unmapped != 0) {
        hakmem_recent_unwanted();
    }
}

void hakmem_idle_bound(bool whole) {
    for (int i = 0; i < MOST && hakmem_idle_bytes() != 0 && unmap(take_one(may_wait(), UINT64_MAX, whole)); i++) {
    }
}
