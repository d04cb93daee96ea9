/* Counts, per thread, what a process asks of malloc and of pthread locks. Loaded with LD_PRELOAD by steady/shim.rs.
 *
 * glibc exports its allocator a second time as __libc_*, so no dlsym is needed for it (dlsym itself allocates). The
 * counters are initial-exec thread-locals: reaching them never allocates either. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct counts {
    uint64_t allocations;
    uint64_t frees;
    uint64_t locks;
};

static __thread struct counts mine __attribute__((tls_model("initial-exec")));

/* The one symbol the test looks for. */
void twovote_shim_counts(struct counts *out) { *out = mine; }

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) {
    mine.allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    mine.allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    mine.allocations++;
    if (block != NULL) mine.frees++;
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    mine.allocations++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    mine.allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    mine.allocations++;
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *block = __libc_memalign(alignment, size);
    if (block == NULL) return ENOMEM;
    *out = block;
    return 0;
}

void free(void *block) {
    if (block != NULL) mine.frees++;
    __libc_free(block);
}

/* The real function behind one that is wrapped here; looked up once, again by a second thread at worst. */
#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    REAL(pthread_mutex_lock);
    mine.locks++;
    return real(mutex);
}

int pthread_mutex_trylock(pthread_mutex_t *mutex) {
    REAL(pthread_mutex_trylock);
    mine.locks++;
    return real(mutex);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
    REAL(pthread_rwlock_rdlock);
    mine.locks++;
    return real(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
    REAL(pthread_rwlock_wrlock);
    mine.locks++;
    return real(lock);
}

int pthread_spin_lock(pthread_spinlock_t *lock) {
    REAL(pthread_spin_lock);
    mine.locks++;
    return real(lock);
}
