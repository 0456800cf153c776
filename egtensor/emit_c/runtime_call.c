/* The call of a compiled function: check the arguments, take a snapshot of the shared variables,
 * allocate the outputs, run the code and commit the updates: all or none. Part of runtime.c. */

#define EGT_MAX_RANK 16
#define EGT_CALL_WORDS 192 /* enough for 32 arrays; a longer list takes a block of the heap */
#define EGT_RAISED (-3)    /* a status: a Python exception is set */
#define EGT_GIL_THRESHOLD 20000

typedef int (*Prepare)(const int64_t *const *, int64_t *const *, int64_t *);
typedef int (*Main)(egt_rt *, char **, const int64_t *const *, const int64_t *const *);
typedef enum { PACK_ONE, PACK_LIST, PACK_DICT } Packing;

typedef struct {
    int typenum, ndim;
    int64_t *extents; /* of each dimension, -1 for any; NULL: any everywhere */
} Spec;

typedef struct {
    PyArray_Descr *descr;
    int typenum, ndim;
} OutputSpec;

typedef struct {
    PyObject_HEAD vectorcallfunc vectorcall;
    Prepare prepare;
    Main main;
    int inputs, shareds, outputs, results; /* counts; outputs from `results` on are update values */
    int words;                             /* a call needs, see call_open */
    int64_t gil_threshold;
    Spec *specs; /* inputs, then shared variables */
    OutputSpec *out;
    int *updates;   /* for each update value, the index of its shared variable */
    Shared **locks; /* the updated variables, by increasing id */
    PyObject *shared;
    Packing packing;
    PyObject *results_template; /* PACK_DICT: {key: None} */
    PyObject *keys, *keepalive, *convert, *error;
    ArenaList arenas;
} Function;

typedef struct {
    egt_rt rt; /* first: compiled code sees this much */
    Function *f;
    char **data;
    const int64_t **shape, **strides;
    PyArrayObject **snapshot, **outputs; /* owned, or NULL */
    int64_t **out_shape;
    Arena arena;
    Temporary *temporaries;
    PyObject *converted, *container;
    PyThreadState *without_gil; /* the thread's state while it runs without the GIL */
    int locked;                 /* how many of f->locks this call holds */
    void *heap;
} Call;

static Shared *shared_at(const Function *f, int i)
{
    return (Shared *)PyTuple_GET_ITEM(f->shared, i);
}

/* The type numbers of equal integers differ by platform: int64 is NPY_LONG or NPY_LONGLONG. */
static int same_dtype(int x, int y)
{
    if (x == y)
        return 1;
    if (sizeof(long) == sizeof(long long))
        return (x == NPY_LONG && y == NPY_LONGLONG) || (x == NPY_LONGLONG && y == NPY_LONG) ||
               (x == NPY_ULONG && y == NPY_ULONGLONG) || (x == NPY_ULONGLONG && y == NPY_ULONG);
    return (x == NPY_LONG && y == NPY_INT) || (x == NPY_INT && y == NPY_LONG) ||
           (x == NPY_ULONG && y == NPY_UINT) || (x == NPY_UINT && y == NPY_ULONG);
}

static int conforms(const Spec *spec, PyObject *value)
{
    PyArrayObject *array = (PyArrayObject *)value;
    if (!PyArray_CheckExact(value) || PyArray_NDIM(array) != spec->ndim)
        return 0;
    if (PyArray_TYPE(array) != spec->typenum && !same_dtype(PyArray_TYPE(array), spec->typenum))
        return 0;
    if (!PyArray_ISALIGNED(array) || !PyArray_ISNBO(PyArray_DESCR(array)->byteorder))
        return 0;
    if (spec->extents)
        for (int k = 0; k < spec->ndim; k++)
            if (spec->extents[k] >= 0 && spec->extents[k] != PyArray_DIM(array, k))
                return 0;
    return 1;
}

static void enter_array(Call *call, int place, PyArrayObject *array)
{
    call->data[place] = PyArray_BYTES(array);
    call->shape[place] = (const int64_t *)PyArray_DIMS(array);
    call->strides[place] = (const int64_t *)PyArray_STRIDES(array);
}

static int has_negative(const int64_t *shape, int ndim)
{
    for (int k = 0; k < ndim; k++)
        if (shape[k] < 0)
            return 1;
    return 0;
}

/* A fresh or recycled array for output j, also entered into the call; -1 with an exception. */
static int call_new_output(Call *call, int j, const int64_t *shape)
{
    const Function *f = call->f;
    const OutputSpec *spec = &f->out[j];
    PyArrayObject *array = NULL;
    if (allocation_fails()) {
        PyErr_NoMemory();
        return -1;
    }
    if (j >= f->results)
        array = shared_take_spare(shared_at(f, f->updates[j - f->results]), spec->typenum,
                                  spec->ndim, shape);
    if (!array) {
        Py_INCREF(spec->descr);
        array = (PyArrayObject *)PyArray_NewFromDescr(&PyArray_Type, spec->descr, spec->ndim,
                                                      (npy_intp *)shape, NULL, NULL, 0, NULL);
    }
    if (!array) {
        if (!has_negative(shape,
                          spec->ndim)) /* NumPy says ValueError of an array too large to exist */
            PyErr_NoMemory();
        return -1;
    }
    Py_XSETREF(call->outputs[j], array);
    enter_array(call, f->inputs + f->shareds + j, array);
    return 0;
}

static void *rt_alloc(egt_rt *rt, int64_t bytes)
{
    return temporary_new(&((Call *)rt)->temporaries, bytes);
}

static void *rt_alloc_output(egt_rt *rt, int32_t j, const int64_t *shape)
{
    Call *call = (Call *)rt;
    int without_gil = call->without_gil != NULL;
    if (j < 0 || j >= call->f->outputs)
        return NULL;
    if (without_gil)
        PyEval_RestoreThread(call->without_gil);
    int failed = call_new_output(call, j, shape);
    if (failed)
        PyErr_Clear();
    if (without_gil)
        call->without_gil = PyEval_SaveThread();
    return failed ? NULL : call->data[call->f->inputs + call->f->shareds + j];
}

/* Lay out the tables of a call: three pointers per array, owned references, output shapes. */
static int call_open(Call *call, Function *f, uint64_t *words)
{
    int arrays = f->inputs + f->shareds + f->outputs;
    call->heap = NULL;
    call->locked = 0;
    call->f = f;
    call->arena = (Arena){NULL, 0};
    call->temporaries = NULL;
    call->converted = call->container = NULL;
    call->without_gil = NULL;
    if (f->words > EGT_CALL_WORDS &&
        !(words = call->heap = allocate_plain((size_t)f->words * sizeof *words))) {
        PyErr_NoMemory();
        return EGT_RAISED;
    }
    call->data = (char **)words;
    call->shape = (const int64_t **)words + arrays;
    call->strides = (const int64_t **)words + 2 * arrays;
    call->snapshot = (PyArrayObject **)words + 3 * arrays;
    call->outputs = call->snapshot + f->shareds;
    call->out_shape = (int64_t **)(call->outputs + f->outputs);
    int64_t *extents = (int64_t *)(call->out_shape + f->outputs);
    for (int i = 0; i < f->shareds + f->outputs; i++)
        call->snapshot[i] = NULL;
    for (int j = 0; j < f->outputs; extents += f->out[j++].ndim)
        call->out_shape[j] = extents;
    call->rt = (egt_rt){parallel_for, rt_alloc, rt_alloc_output, matmul, getrf, rt_contiguous,
                          NULL, {0, 0, 0, 0}};
    return 0;
}

static void call_unlock(Call *call)
{
    while (call->locked)
        shared_unlock(call->f->locks[--call->locked]);
}

static void call_close(Call *call)
{
    Function *f = call->f;
    call_unlock(call);
    if (call->heap || f->words <= EGT_CALL_WORDS) {
        for (int i = 0; i < f->shareds + f->outputs; i++)
            Py_XDECREF(call->snapshot[i]);
    }
    temporaries_free(call->temporaries);
    arena_give_back(&f->arenas, call->arena);
    Py_XDECREF(call->converted);
    Py_XDECREF(call->container);
    free(call->heap);
}

/* The keyword arguments of a vectorcall as a dict; NULL without an exception: there are none. */
static PyObject *keyword_dict(PyObject *const *values, PyObject *names)
{
    PyObject *keywords = names ? PyDict_New() : NULL;
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(names); i++)
        if (PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), values[i]))
            Py_CLEAR(keywords);
    return keywords;
}

/* What f->convert makes of arguments that are not as expected: a tuple of arrays that are. */
static PyObject *convert_arguments(Function *f, PyObject *const *args, Py_ssize_t n,
                                   PyObject *names)
{
    PyObject *converted = NULL, *keywords = keyword_dict(args + n, names), *positional = NULL;
    if (!f->convert || f->convert == Py_None)
        PyErr_SetString(PyExc_TypeError, "the arguments do not match the compiled signature");
    else if (!PyErr_Occurred() && (positional = PyTuple_New(n))) {
        for (Py_ssize_t i = 0; i < n; i++) {
            Py_INCREF(args[i]);
            PyTuple_SET_ITEM(positional, i, args[i]);
        }
        converted = PyObject_CallFunctionObjArgs(f->convert, positional,
                                                 keywords ? keywords : Py_None, NULL);
    }
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return converted;
}

/* Enter the arguments; 0, or 1 when one of them is not as expected. */
static int enter_arguments(Call *call, PyObject *const *args)
{
    Function *f = call->f;
    for (int i = 0; i < f->inputs; i++) {
        if (__builtin_expect(!conforms(&f->specs[i], args[i]), 0))
            return 1;
        enter_array(call, i, (PyArrayObject *)args[i]);
    }
    return 0;
}

static int call_bind(Call *call, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    Function *f = call->f;
    if (!names && n == f->inputs && !enter_arguments(call, args))
        return 0;
    PyObject *converted = call->converted = convert_arguments(f, args, n, names);
    if (!converted)
        return EGT_RAISED;
    if (!PyTuple_Check(converted) || PyTuple_GET_SIZE(converted) != f->inputs ||
        enter_arguments(call, &PyTuple_GET_ITEM(converted, 0))) {
        PyErr_SetString(PyExc_SystemError, "convert did not return a tuple of conforming arrays");
        return EGT_RAISED;
    }
    return 0;
}

/* The list or dict to return, made before any lock is held: making it may run the garbage
 * collector, hence any destructor. An unfinished list stays out of the collector's sight. */
static int call_new_container(Call *call)
{
    Function *f = call->f;
    if (f->packing == PACK_ONE)
        return 0;
    call->container = allocation_fails()        ? PyErr_NoMemory()
                      : f->packing == PACK_LIST ? PyList_New(f->results)
                                                : PyDict_Copy(f->results_template);
    if (call->container && f->packing == PACK_LIST && f->results)
        PyObject_GC_UnTrack(call->container);
    return call->container ? 0 : EGT_RAISED;
}

static int call_lock(Call *call)
{
    Function *f = call->f;
    for (; call->locked < f->outputs - f->results; call->locked++)
        if (shared_lock(f->locks[call->locked]))
            return EGT_RAISED;
    return 0;
}

/* References to all shared arrays; the GIL is not released in between, so they belong together. */
static int call_take_snapshot(Call *call)
{
    Function *f = call->f;
    for (int i = 0; i < f->shareds; i++) {
        PyArrayObject *array = shared_at(f, i)->array;
        if (!array || !conforms(&f->specs[f->inputs + i], (PyObject *)array)) {
            PyErr_Format(PyExc_TypeError,
                         "shared variable %d: its array is not of the dtype and rank the function "
                         "was compiled for\n"
                         "  a compiled function reads one dtype and rank\n"
                         "  fix: keep dtype and rank when setting the value, or compile again",
                         i);
            return EGT_RAISED;
        }
        Py_INCREF(array);
        call->snapshot[i] = array;
        enter_array(call, f->inputs + i, array);
    }
    return 0;
}

/* Sizes, outputs and arena; *work gets the estimate of the code. */
static int call_prepare(Call *call, int64_t *work)
{
    Function *f = call->f;
    int64_t plan[6] = {0};
    int first = f->inputs + f->shareds;
    int status = f->prepare(call->shape, call->out_shape, plan);
    if (status) {
        memcpy(call->rt.info, plan + 2, sizeof call->rt.info);
        return status;
    }
    for (int j = 0; j < f->outputs; j++) {
        if (f->out[j].ndim && call->out_shape[j][0] == -1) {
            call->data[first + j] = NULL;
            call->shape[first + j] = call->out_shape[j];
            call->strides[first + j] = NULL;
        } else if (call_new_output(call, j, call->out_shape[j]))
            return EGT_RAISED;
    }
    if (plan[0] > 0 && arena_take(&f->arenas, plan[0], &call->arena))
        return EGT_OUT_OF_MEMORY;
    call->rt.arena = call->arena.block;
    *work = plan[1];
    return 0;
}

static int call_execute(Call *call, int64_t work)
{
    Function *f = call->f;
    int status;
    if (work >= f->gil_threshold) {
        call->without_gil = PyEval_SaveThread();
        status = f->main(&call->rt, call->data, call->shape, call->strides);
        PyEval_RestoreThread(call->without_gil);
        call->without_gil = NULL;
    } else
        status = f->main(&call->rt, call->data, call->shape, call->strides);
    for (int j = 0; !status && j < f->outputs; j++)
        if (!call->outputs[j]) {
            PyErr_Format(PyExc_SystemError, "the compiled code did not make output %d", j);
            status = EGT_RAISED;
        }
    return status;
}

static int call_run(Call *call)
{
    int64_t work;
    int status = call_new_container(call);
    if (!status && call->f->outputs > call->f->results)
        status = call_lock(call);
    if (!status)
        status = call_take_snapshot(call);
    if (!status)
        status = call_prepare(call, &work);
    return status ? status : call_execute(call, work);
}

/* Swap the update values in. Nothing fails from here on; former values go after the locks. */
static void call_commit(Call *call)
{
    Function *f = call->f;
    for (int j = f->results; j < f->outputs; j++) {
        Shared *s = shared_at(f, f->updates[j - f->results]);
        PyArrayObject *former = s->array;
        s->array = call->outputs[j];
        call->outputs[j] = former;
    }
    call_unlock(call);
    for (int j = f->results; j < f->outputs; j++) {
        int i = f->updates[j - f->results];
        PyArrayObject *former = call->outputs[j];
        call->outputs[j] = NULL;
        Py_CLEAR(call->snapshot[i]);
        shared_recycle(shared_at(f, i), former);
    }
}

/* Move the results into what the call returns; NULL with an exception, before any commit. */
static PyObject *call_pack(Call *call)
{
    Function *f = call->f;
    PyObject *packed = call->container;
    if (f->packing == PACK_ONE) {
        packed = f->results ? (PyObject *)call->outputs[0] : Py_None;
        Py_INCREF(packed);
    } else if (f->packing == PACK_LIST) {
        for (int j = 0; j < f->results; j++) {
            Py_INCREF(call->outputs[j]);
            PyList_SET_ITEM(packed, j, (PyObject *)call->outputs[j]);
        }
        if (f->results)
            PyObject_GC_Track(packed);
        call->container = NULL;
    } else {
        for (int j = 0; j < f->results; j++) /* every key is there, so nothing is allocated */
            if (PyDict_SetItem(packed, PyTuple_GET_ITEM(f->keys, j), (PyObject *)call->outputs[j]))
                return NULL;
        call->container = NULL;
    }
    return packed;
}

/* Raise what a status of the compiled code stands for. */
static void raise_status(Function *f, int status, const int64_t *info)
{
    if (status == EGT_RAISED)
        return;
    if (status == EGT_OUT_OF_MEMORY) {
        PyErr_NoMemory();
        return;
    }
    if (status < 0 || !f->error || f->error == Py_None) {
        PyErr_Format(PyExc_RuntimeError, "the compiled code stopped with status %d", status);
        return;
    }
    PyObject *error =
        PyObject_CallFunction(f->error, "i(LLLL)", status, (long long)info[0], (long long)info[1],
                              (long long)info[2], (long long)info[3]);
    if (error && PyExceptionInstance_Check(error))
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    else if (error)
        PyErr_Format(PyExc_TypeError, "error returned %R, not an exception", error);
    Py_XDECREF(error);
}

static PyObject *function_call(PyObject *self, PyObject *const *args, size_t nargsf,
                               PyObject *names)
{
    Function *f = (Function *)self;
    uint64_t words[EGT_CALL_WORDS];
    Call call;
    PyObject *packed = NULL;
    int status = call_open(&call, f, words);
    if (!status)
        status = call_bind(&call, args, PyVectorcall_NARGS(nargsf), names);
    if (!status)
        status = call_run(&call);
    if (!status && !(packed = call_pack(&call)))
        status = EGT_RAISED;
    if (!status)
        call_commit(&call);
    call_close(&call);
    if (status)
        raise_status(f, status, call.rt.info);
    return packed;
}
