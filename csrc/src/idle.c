#include "idle.h"

#include "again.h"
#include "lock.h"
#include "options.h"
#include "os.h"

enum { MOST = 64 };

/* What may wait, bounded without ticks like the pool's dirty slots: this and as much as is in use, for a process that
 * falls silent; and with what is in use no more than was in use at once within the last period or two, so that the
 * peak is no higher for it. */
static hakmem_again_t again = HAKMEM_AGAIN_INIT;

/* Under the huge lock. */
static struct {
    hakmem_mapping_t mapping; /* start null: none */
    uint64_t since_ms;
} idle[MOST];

static const hakmem_mapping_t none;

/* The most in use at a free since `recent_since_ms`, and within the period (HAKMEM_PURGE_MS) before; under the lock. */
static size_t recent_live, recent_live_before;
static uint64_t recent_since_ms;

static _Atomic size_t idle_bytes; /* relaxed: a figure */

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

static uint32_t take_pieces(size_t bytes, bool join, hakmem_mapping_t pieces[IDLE_PIECES]) {
    size_t units = align_up(bytes, MAPPING_UNIT);
    hakmem_mapping_t *best = best_for(bytes, bytes);
    if (best != NULL) {
        /* A small rest is of no use to anyone, and would be a mapping more. */
        pieces[0] = take(best, best->bytes <= bytes + bytes / 8 ? best->bytes : units);
        return 1;
    }
    if (!join || hakmem_idle_bytes() < bytes / 4) {
        return 0;
    }
    uint32_t count = 0;
    while (units != 0 && count < IDLE_PIECES && (best = best_for(units, MAPPING_UNIT)) != NULL) {
        pieces[count] = take(best, min_size(units, align_down(best->bytes, MAPPING_UNIT)));
        units -= pieces[count++].bytes;
    }
    return count;
}

uint32_t hakmem_idle_take(size_t bytes, bool join, hakmem_mapping_t pieces[IDLE_PIECES]) {
    uint32_t count = take_pieces(bytes, join, pieces);
    size_t taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        taken += pieces[i].bytes;
    }
    if (taken < bytes) {
        again_wanted(&again, (int64_t)(bytes - taken));
    }
    return count;
}

/* By how much more than the `live` bytes was in use just before. */
static size_t recently_above(size_t live) {
    size_t recent = max_size(recent_live, recent_live_before);
    return recent < live ? 0 : recent - live;
}

static size_t most_again(size_t live) {
    return (size_t)again_most(&again) + live;
}

/* How much may wait beside `live` bytes in use. */
static size_t may_wait(size_t live) {
    return min_size(most_again(live), recently_above(live));
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

hakmem_mapping_t hakmem_idle_keep(hakmem_mapping_t mapping, size_t live) {
    uint64_t now_ms = hakmem_os_now_ms(), period_ms = option_purge_ms();
    if (period_ms == 0) {
        return mapping;
    }
    if (now_ms - recent_since_ms >= period_ms) {
        recent_live_before = now_ms - recent_since_ms < 2 * period_ms ? recent_live : 0;
        recent_live = 0;
        recent_since_ms = now_ms;
        again_period(&again);
    }
    recent_live = max_size(recent_live, live + mapping.bytes);
    size_t most = may_wait(live), waits = hakmem_idle_bytes();
    size_t room = most > waits ? most - waits : 0;
    if (room < mapping.bytes) {
        room = align_down(room, MAPPING_UNIT);
        if (recently_above(live) > most_again(live)) { /* and it is not the peak that allows no more */
            again_was_too_much(&again, (int64_t)(mapping.bytes - room));
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
            idle[i].since_ms = now_ms;
            add_bytes((int64_t)room);
            return rest;
        }
    }
    return mapping; /* no place, hence no neighbour either: as it was */
}

/* One that is due, whole. */
static hakmem_mapping_t take_due(uint64_t now_ms, bool all) {
    hakmem_mapping_t due = none;
    hakmem_lock(HAKMEM_LOCK_HUGE);
    for (int i = 0; i < MOST && due.start == NULL; i++) {
        /* `now_ms` may have been read before others kept what is here. */
        if (idle[i].mapping.start != NULL && (all || now_ms >= idle[i].since_ms + option_purge_ms())) {
            due = take(&idle[i].mapping, idle[i].mapping.bytes);
        }
    }
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    return due;
}

/* One, or what of it is too much beside `live` bytes in use. */
static hakmem_mapping_t take_excess(size_t live, bool whole) {
    hakmem_mapping_t due = none;
    hakmem_lock(HAKMEM_LOCK_HUGE);
    size_t most = may_wait(live), waits = hakmem_idle_bytes();
    for (int i = 0; i < MOST && waits > most && due.start == NULL; i++) {
        if (idle[i].mapping.start != NULL) {
            due = take(&idle[i].mapping, whole ? idle[i].mapping.bytes : align_up(waits - most, MAPPING_UNIT));
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
    int unmapped = 0;
    while (unmapped < MOST && hakmem_idle_bytes() != 0 && unmap(take_due(now_ms, all))) {
        unmapped++;
    }
    if (all) {
        again_forget(&again);
    } else if (unmapped != 0) {
        again_unwanted(&again);
    }
}

void hakmem_idle_bound(size_t live, bool whole) {
    for (int i = 0; i < MOST && hakmem_idle_bytes() != 0 && unmap(take_excess(live, whole)); i++) {
    }
}
