/* The thread pool: chunks claimed by compare-and-swap, sleep on a futex, safe across fork.
 * The caller waits only for chunks that a worker has claimed, so a worker the operating system does
 * not run delays nothing. Part of runtime.c. */

#define EGT_SPINS 1500 /* about 10 to 50 us: calls follow each other closely in a training loop */
#define EGT_MAX_CHUNKS 0xffff
#define EGT_MAX_THREADS 1024

typedef void (*Task)(void *context, int64_t lo, int64_t hi);

/* generation : 32 | chunks : 16 | next chunk : 16. The fields of the job below are written only
 * while every chunk is done, so a claim that succeeds on an old ticket proves that the fields read
 * belong to it. */
static _Atomic uint64_t pool_ticket;
static _Atomic(Task) job_task;
static _Atomic(void *) job_context;
static _Atomic int64_t job_extent, job_chunk, job_group;
static _Atomic int64_t job_done;

static _Atomic int pool_bell, pool_sleepers, pool_epoch;
static _Atomic int pool_threads = 1; /* including the caller */
static int pool_started;             /* workers of this epoch; guarded by pool_lock */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t ticket_next(uint64_t ticket) { return ticket & 0xffff; }
static uint64_t ticket_chunks(uint64_t ticket) { return ticket >> 16 & 0xffff; }

static void pool_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#ifdef __linux__
static void bell_wait(int heard)
{
    syscall(SYS_futex, &pool_bell, FUTEX_WAIT_PRIVATE, heard, 0, 0, 0);
}
static void bell_wake(int n) { syscall(SYS_futex, &pool_bell, FUTEX_WAKE_PRIVATE, n, 0, 0, 0); }
static void bell_reset(void) {}
#else
static pthread_mutex_t bell_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell_rings = PTHREAD_COND_INITIALIZER;

static void bell_wait(int heard)
{
    pthread_mutex_lock(&bell_lock);
    while (atomic_load(&pool_bell) == heard)
        pthread_cond_wait(&bell_rings, &bell_lock);
    pthread_mutex_unlock(&bell_lock);
}

static void bell_wake(int n)
{
    (void)n;
    pthread_mutex_lock(&bell_lock);
    pthread_cond_broadcast(&bell_rings);
    pthread_mutex_unlock(&bell_lock);
}

static void bell_reset(void)
{
    pthread_mutex_init(&bell_lock, NULL);
    pthread_cond_init(&bell_rings, NULL);
}
#endif

static void run_chunks(Task task, void *context, int64_t n, int64_t chunk, int64_t lo, int64_t hi)
{
    for (; lo < hi; lo += chunk)
        task(context, lo, n - lo < chunk ? n : lo + chunk);
}

/* Run chunks of the current job as long as there are any left to claim. */
static void claim_and_run(void)
{
    uint64_t ticket = atomic_load(&pool_ticket);
    while (ticket_next(ticket) < ticket_chunks(ticket)) {
        Task task = atomic_load_explicit(&job_task, memory_order_relaxed);
        void *context = atomic_load_explicit(&job_context, memory_order_relaxed);
        int64_t n = atomic_load_explicit(&job_extent, memory_order_relaxed);
        int64_t chunk = atomic_load_explicit(&job_chunk, memory_order_relaxed);
        int64_t group = atomic_load_explicit(&job_group, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&pool_ticket, &ticket, ticket + 1))
            continue;
        int64_t lo = (int64_t)ticket_next(ticket) * group;
        run_chunks(task, context, n, chunk, lo, n - lo < group ? n : lo + group);
        atomic_fetch_add_explicit(&job_done, 1, memory_order_release);
        ticket = atomic_load(&pool_ticket);
    }
}

static void *worker(void *epoch)
{
    while (atomic_load(&pool_epoch) == (int)(intptr_t)epoch) {
        int heard = atomic_load(&pool_bell);
        claim_and_run();
        for (int k = 0; k < EGT_SPINS && atomic_load(&pool_bell) == heard; k++)
            pool_pause();
        if (atomic_load(&pool_bell) == heard && atomic_load(&pool_epoch) == (int)(intptr_t)epoch) {
            atomic_fetch_add(&pool_sleepers, 1);
            bell_wait(heard);
            atomic_fetch_sub(&pool_sleepers, 1);
        }
    }
    return NULL;
}

/* Start the missing workers; as many as the system grants. Signals stay with Python's threads. */
static void start_workers(int wanted)
{
    sigset_t all, before;
    pthread_attr_t detached;
    if (pool_started >= wanted)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (; pool_started < wanted; pool_started++) {
        pthread_t thread;
        if (pthread_create(&thread, &detached, worker, (void *)(intptr_t)atomic_load(&pool_epoch)))
            break;
    }
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A child of fork has no workers, and the job of another thread of its parent is not its own. */
static void pool_after_fork(void)
{
    uint64_t generation = (atomic_load(&pool_ticket) >> 32) + 1;
    atomic_store(&pool_ticket, generation << 32);
    atomic_store(&pool_sleepers, 0);
    pool_started = 0;
    pthread_mutex_init(&pool_lock, NULL);
    bell_reset();
}

static void wait_for_claimed(int64_t tickets)
{
    for (int k = 0; atomic_load_explicit(&job_done, memory_order_acquire) < tickets; k++)
        if (k < EGT_SPINS)
            pool_pause();
        else
            sched_yield();
}

static void parallel_for(int64_t n, int64_t chunk, Task task, void *context)
{
    if (n <= 0)
        return;
    if (chunk < 1 || chunk > n)
        chunk = n;
    int64_t chunks = (n - 1) / chunk + 1;
    int threads = atomic_load_explicit(&pool_threads, memory_order_relaxed);
    /* a second caller, or a task that calls again, finds the lock taken and works alone */
    if (chunks < 2 || threads < 2 || pthread_mutex_trylock(&pool_lock)) {
        run_chunks(task, context, n, chunk, 0, n);
        return;
    }
    start_workers(threads - 1);
    int64_t per_ticket = (chunks - 1) / EGT_MAX_CHUNKS + 1;
    int64_t tickets = (chunks - 1) / per_ticket + 1;
    uint64_t generation = (atomic_load(&pool_ticket) >> 32) + 1;
    atomic_store_explicit(&job_task, task, memory_order_relaxed);
    atomic_store_explicit(&job_context, context, memory_order_relaxed);
    atomic_store_explicit(&job_extent, n, memory_order_relaxed);
    atomic_store_explicit(&job_chunk, chunk, memory_order_relaxed);
    atomic_store_explicit(&job_group, per_ticket * chunk, memory_order_relaxed);
    atomic_store_explicit(&job_done, 0, memory_order_relaxed);
    atomic_store(&pool_ticket, generation << 32 | (uint64_t)tickets << 16);
    atomic_fetch_add(&pool_bell, 1);
    if (atomic_load(&pool_sleepers))
        bell_wake(tickets < threads ? (int)tickets - 1 : threads - 1);
    claim_and_run();
    wait_for_claimed(tickets);
    pthread_mutex_unlock(&pool_lock);
}

/* The workers of the old number leave by themselves; those of the new one start when needed. */
static void pool_set_threads(int threads)
{
    pthread_mutex_lock(&pool_lock);
    if (threads != atomic_load(&pool_threads)) {
        atomic_store(&pool_threads, threads);
        atomic_fetch_add(&pool_epoch, 1);
        atomic_fetch_add(&pool_bell, 1);
        pool_started = 0;
        bell_wake(INT_MAX);
    }
    pthread_mutex_unlock(&pool_lock);
}
