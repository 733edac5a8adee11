#include "idle.h"

#include "lock.h"
#include "os.h"

enum {
    MOST = 16,
    PERIOD_MS = 100,
};

/* What may wait, bounded without ticks like the pool's dirty slots: this and half of what is in use, and with that in use no
 * more than was in use at once within the last period, so that the peak is no higher for it. */
#define LEAST_BYTES (32 * MIB)

/* Under the huge lock. */
static struct {
    hakmem_mapping_t mapping; /* start null: none */
    uint64_t since_ms;
} idle[MOST];

static size_t recent_live; /* the most in use at a free since `recent_since_ms`; under the lock */
static uint64_t recent_since_ms;

static _Atomic size_t idle_bytes; /* relaxed: a figure */

static void add_bytes(int64_t bytes) {
    atomic_fetch_add_explicit(&idle_bytes, (size_t)bytes, memory_order_relaxed);
}

size_t hakmem_idle_bytes(void) {
    return atomic_load_explicit(&idle_bytes, memory_order_relaxed);
}

bool hakmem_idle_take(size_t bytes, hakmem_mapping_t *mapping) {
    hakmem_mapping_t *best = NULL;
    for (int i = 0; i < MOST; i++) {
        hakmem_mapping_t *this = &idle[i].mapping;
        if (this->start == NULL || this->bytes < bytes / 4) {
            continue;
        }
        if (best == NULL ||
            (best->bytes < bytes ? this->bytes > best->bytes : this->bytes >= bytes && this->bytes < best->bytes)) {
            best = this;
        }
    }
    if (best == NULL) {
        return false;
    }
    /* A small rest is of no use to anyone, and would be a mapping more. */
    size_t taken = best->bytes <= bytes + bytes / 8 ? best->bytes : bytes;
    *mapping = (hakmem_mapping_t){best->start, taken};
    best->start = taken < best->bytes ? (char *)best->start + taken : NULL;
    best->bytes -= taken;
    add_bytes(-(int64_t)taken);
    return true;
}

bool hakmem_idle_keep(void *start, size_t bytes, size_t live) {
    uint64_t now_ms = hakmem_os_now_ms();
    if (now_ms - recent_since_ms >= PERIOD_MS) {
        recent_since_ms = now_ms;
        recent_live = 0;
    }
    recent_live = max_size(recent_live, live + bytes);
    if (hakmem_idle_bytes() + bytes > min_size(LEAST_BYTES + live / 2, recent_live - live)) {
        return false;
    }
    for (int i = 0; i < MOST; i++) {
        if (idle[i].mapping.start == NULL) {
            idle[i].mapping = (hakmem_mapping_t){start, bytes};
            idle[i].since_ms = now_ms;
            add_bytes((int64_t)bytes);
            return true;
        }
    }
    return false;
}

void hakmem_idle_tick(uint64_t now_ms, bool all) {
    if (hakmem_idle_bytes() == 0) {
        return;
    }
    for (int i = 0; i < MOST; i++) {
        hakmem_lock(HAKMEM_LOCK_HUGE);
        hakmem_mapping_t due = idle[i].mapping;
        if (due.start != NULL && (all || now_ms - idle[i].since_ms >= PERIOD_MS)) {
            idle[i].mapping.start = NULL;
            add_bytes(-(int64_t)due.bytes);
        } else {
            due.start = NULL;
        }
        hakmem_unlock(HAKMEM_LOCK_HUGE);
        if (due.start != NULL) {
            hakmem_os_unmap(due.start, due.bytes); /* outside the lock: it takes long for much memory */
        }
    }
}
