/* Memory of compiled functions: aligned blocks, temporaries of one call, arenas kept between calls.
 * Part of runtime.c. */

#define EGT_LINE 64
#define EGT_HUGE_PAGE (2 << 20)
#define EGT_HUGE_FROM (4 << 20) /* below, the alignment wastes more than page walks cost */
#define EGT_ARENAS_KEPT 2

/* Allocations still to succeed before one fails; negative: none fails. Set by tests. */
static _Atomic int64_t allocations_before_failure = -1;

static int allocation_fails(void)
{
    if (atomic_load_explicit(&allocations_before_failure, memory_order_relaxed) < 0)
        return 0;
    return atomic_fetch_sub(&allocations_before_failure, 1) == 0;
}

static void *allocate_plain(size_t bytes)
{
    return allocation_fails() ? NULL : malloc(bytes ? bytes : 1);
}

/* 64-byte aligned; from 4 MB on huge pages are asked for. */
static void *allocate_aligned(int64_t bytes)
{
    void *block;
    if (bytes < 0 || allocation_fails())
        return NULL;
    size_t alignment = bytes > EGT_HUGE_FROM ? EGT_HUGE_PAGE : EGT_LINE;
    if (posix_memalign(&block, alignment, bytes ? (size_t)bytes : 1))
        return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes > EGT_HUGE_FROM)
        madvise(block, (size_t)bytes & ~(size_t)(EGT_HUGE_PAGE - 1), MADV_HUGEPAGE);
#endif
    return block;
}

/* A temporary of one call: the header takes one line, so that the data stay aligned. */
typedef struct Temporary {
    struct Temporary *next;
} Temporary;

static void *temporary_new(Temporary **list, int64_t bytes)
{
    if (bytes < 0 || bytes > INT64_MAX - EGT_LINE)
        return NULL;
    Temporary *block = allocate_aligned(bytes + EGT_LINE);
    if (!block)
        return NULL;
    block->next = *list;
    *list = block;
    return (char *)block + EGT_LINE;
}

static void temporaries_free(Temporary *list)
{
    while (list) {
        Temporary *next = list->next;
        free(list);
        list = next;
    }
}

typedef struct {
    char *block;
    int64_t bytes;
} Arena;

/* The arenas a function keeps between its calls; guarded by the GIL. */
typedef struct {
    Arena kept[EGT_ARENAS_KEPT];
} ArenaList;

/* An arena of at least so many bytes, the smallest kept one that will do; -1: no memory. */
static int arena_take(ArenaList *list, int64_t bytes, Arena *arena)
{
    Arena *best = NULL;
    for (int i = 0; i < EGT_ARENAS_KEPT; i++) {
        Arena *kept = &list->kept[i];
        if (kept->block && kept->bytes >= bytes && (!best || kept->bytes < best->bytes))
            best = kept;
    }
    if (best) {
        *arena = *best;
        *best = (Arena){NULL, 0};
        return 0;
    }
    *arena = (Arena){allocate_aligned(bytes), bytes};
    return arena->block ? 0 : -1;
}

/* Keep an arena for the next call; the smallest is freed when there is no place. */
static void arena_give_back(ArenaList *list, Arena arena)
{
    if (!arena.block)
        return;
    Arena *smallest = &list->kept[0];
    for (int i = 0; i < EGT_ARENAS_KEPT && smallest->block; i++)
        if (!list->kept[i].block || list->kept[i].bytes < smallest->bytes)
            smallest = &list->kept[i];
    if (smallest->block && smallest->bytes >= arena.bytes) {
        free(arena.block);
        return;
    }
    free(smallest->block);
    *smallest = arena;
}

static void arenas_free(ArenaList *list)
{
    for (int i = 0; i < EGT_ARENAS_KEPT; i++) {
        free(list->kept[i].block);
        list->kept[i] = (Arena){NULL, 0};
    }
}
