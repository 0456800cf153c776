/* Shared: the storage of a shared variable. Its array is replaced, never written to, so whoever
 * holds a reference holds a snapshot. Fields are guarded by the GIL. Part of runtime.c. */

typedef struct {
    PyObject_HEAD PyArrayObject *array; /* NULL only in an object whose __init__ has not run */
    PyArrayObject *spare; /* a former array nobody else refers to, to be written and swapped in */
    int64_t id;           /* increasing; locks are taken in its order */
    unsigned held;        /* 0, or 1 + the fork generation of the thread that holds the lock */
    pthread_t holder;
} Shared;

static int64_t shared_count;
static unsigned fork_generation;
static _Atomic int lock_waiters;
static pthread_mutex_t release_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

/* The threads that held locks, or waited for them, are not in the child. */
static void shared_after_fork(void)
{
    fork_generation++;
    atomic_store(&lock_waiters, 0);
    pthread_mutex_init(&release_lock, NULL);
    pthread_cond_init(&released, NULL);
}

static int shared_is_held(Shared *s)
{
    return __atomic_load_n(&s->held, __ATOMIC_SEQ_CST) == fork_generation + 1;
}

/* Take the lock, without the GIL while waiting; -1 with an exception when this thread has it. */
static int shared_lock(Shared *s)
{
    while (shared_is_held(s)) {
        if (pthread_equal(s->holder, pthread_self())) {
            PyErr_SetString(PyExc_RuntimeError,
                            "a shared variable is updated while the same thread is updating it\n"
                            "  the update is not finished, so there is no value to start from\n"
                            "  fix: do not call compiled functions from a destructor");
            return -1;
        }
        atomic_fetch_add(&lock_waiters, 1);
        Py_BEGIN_ALLOW_THREADS pthread_mutex_lock(&release_lock);
        while (shared_is_held(s))
            pthread_cond_wait(&released, &release_lock);
        pthread_mutex_unlock(&release_lock);
        Py_END_ALLOW_THREADS atomic_fetch_sub(&lock_waiters, 1);
    }
    s->holder = pthread_self();
    __atomic_store_n(&s->held, fork_generation + 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void shared_unlock(Shared *s)
{
    __atomic_store_n(&s->held, 0, __ATOMIC_SEQ_CST);
    if (atomic_load(&lock_waiters)) {
        pthread_mutex_lock(&release_lock);
        pthread_cond_broadcast(&released);
        pthread_mutex_unlock(&release_lock);
    }
}

/* Whether the array is ours alone: no view, no reference besides the caller's. */
static int is_unreferenced(PyArrayObject *array)
{
    int wanted =
        NPY_ARRAY_OWNDATA | NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_WRITEABLE | NPY_ARRAY_ALIGNED;
    return Py_REFCNT(array) == 1 && (PyArray_FLAGS(array) & wanted) == wanted &&
           !PyArray_BASE(array) && !((PyArrayObject_fields *)array)->weakreflist;
}

/* Keep a former array as the spare buffer if it can be; takes over the caller's reference. */
static void shared_recycle(Shared *s, PyArrayObject *former)
{
    if (is_unreferenced(former)) {
        PyArrayObject *spare = s->spare;
        s->spare = former;
        former = spare;
    }
    Py_XDECREF(former);
}

/* The spare buffer, now the caller's, if it has this type and these dimensions; else NULL. */
static PyArrayObject *shared_take_spare(Shared *s, int typenum, int ndim, const int64_t *shape)
{
    PyArrayObject *spare = s->spare;
    if (!spare || PyArray_TYPE(spare) != typenum || PyArray_NDIM(spare) != ndim)
        return NULL;
    for (int k = 0; k < ndim; k++)
        if (PyArray_DIM(spare, k) != shape[k])
            return NULL;
    s->spare = NULL;
    return spare;
}

/* Whether compiled code can read an object as it is: an ndarray, aligned, in native byte order. */
static int is_plain_array(PyObject *value)
{
    return PyArray_CheckExact(value) && PyArray_ISALIGNED((PyArrayObject *)value) &&
           PyArray_ISNBO(PyArray_DESCR((PyArrayObject *)value)->byteorder) &&
           !PyDataType_REFCHK(PyArray_DESCR((PyArrayObject *)value));
}

static int shared_set_array(Shared *s, PyObject *value, void *closure)
{
    (void)closure;
    if (!value || !is_plain_array(value)) {
        PyErr_Format(PyExc_TypeError,
                     "Shared.array: got %s\n"
                     "  a shared variable holds an aligned numpy.ndarray in native byte order\n"
                     "  fix: numpy.require(value, requirements='A')",
                     value ? Py_TYPE(value)->tp_name : "nothing");
        return -1;
    }
    if (shared_lock(s))
        return -1;
    PyArrayObject *former = s->array;
    Py_INCREF(value);
    s->array = (PyArrayObject *)value;
    shared_unlock(s);
    Py_XDECREF(former);
    return 0;
}

static PyObject *shared_get_array(Shared *s, void *closure)
{
    (void)closure;
    PyObject *array = s->array ? (PyObject *)s->array : Py_None;
    Py_INCREF(array);
    return array;
}

static PyObject *shared_get_spare_bytes(Shared *s, void *closure)
{
    (void)closure;
    return PyLong_FromSsize_t(s->spare ? PyArray_NBYTES(s->spare) : 0);
}

static PyObject *shared_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    Shared *s = (Shared *)type->tp_alloc(type, 0);
    if (s)
        s->id = ++shared_count;
    return (PyObject *)s;
}

static int shared_init(Shared *s, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"array", NULL};
    PyObject *array;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Shared", names, &array))
        return -1;
    return shared_set_array(s, array, NULL);
}

static void shared_dealloc(Shared *s)
{
    Py_XDECREF(s->array);
    Py_XDECREF(s->spare);
    Py_TYPE(s)->tp_free(s);
}

static PyGetSetDef shared_properties[] = {
    {"array", (getter)shared_get_array, (setter)shared_set_array,
     "The current value, which nobody may write to.", NULL},
    {"spare_bytes", (getter)shared_get_spare_bytes, NULL,
     "Bytes kept to be written by the next update.", NULL},
    {NULL},
};

static PyMemberDef shared_members[] = {
    {"id", T_LONGLONG, offsetof(Shared, id), READONLY,
     "Increasing number; updates lock in its order."},
    {NULL},
};

static PyTypeObject SharedType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "egtensor.emit_c.runtime.Shared",
    .tp_doc = "Shared(array): the storage of one shared variable.",
    .tp_basicsize = sizeof(Shared),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = shared_new,
    .tp_init = (initproc)shared_init,
    .tp_dealloc = (destructor)shared_dealloc,
    .tp_getset = shared_properties,
    .tp_members = shared_members,
};
