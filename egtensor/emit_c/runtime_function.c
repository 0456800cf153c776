/* Function: a compiled function as a Python callable. A call checks its arguments, takes a snapshot
 * of the shared variables, allocates the outputs, runs the code and commits the updates: all or
 * none. Part of runtime.c. */

#define EGT_MAX_RANK 16
#define EGT_CALL_WORDS 192 /* enough for 32 arrays; a longer list takes a block of the heap */
#define EGT_RAISED (-3)    /* a status: a Python exception is set */
#define EGT_GIL_THRESHOLD 20000

typedef int (*Prepare)(const int64_t *const *, int64_t *const *, int64_t *);
typedef int (*Main)(egt_rt *, char **, const int64_t *const *, const int64_t *const *);
typedef enum { PACK_ONE, PACK_LIST, PACK_DICT } Packing;

typedef struct {
    int typenum, ndim, is_fixed; /* is_fixed: some dimension has one legal extent */
    int64_t shape[EGT_MAX_RANK]; /* -1: any */
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

static PyTypeObject FunctionType;

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
    if (spec->is_fixed)
        for (int k = 0; k < spec->ndim; k++)
            if (spec->shape[k] >= 0 && spec->shape[k] != PyArray_DIM(array, k))
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
    call->rt = (egt_rt){parallel_for, rt_alloc, rt_alloc_output, matmul, getrf, NULL, {0, 0, 0, 0}};
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

static PyObject *function_not_ready(PyObject *self, PyObject *const *args, size_t nargsf,
                                    PyObject *names)
{
    (void)args;
    (void)nargsf;
    (void)names;
    PyErr_Format(PyExc_RuntimeError, "%s: __init__ has not run, so there is no code to call",
                 Py_TYPE(self)->tp_name);
    return NULL;
}

static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    Function *f = (Function *)type->tp_alloc(type, 0);
    if (f)
        f->vectorcall = function_not_ready;
    return (PyObject *)f;
}

static int check(int holds, const char *message)
{
    if (!holds && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, message);
    return holds ? 0 : -1;
}

/* (typenum, ndim) or (typenum, ndim, shape) */
static int read_spec(PyObject *from, Spec *spec)
{
    PyObject *shape = NULL;
    if (!PyArg_ParseTuple(from, "ii|O!;a spec is (typenum, ndim, shape)", &spec->typenum,
                          &spec->ndim, &PyTuple_Type, &shape))
        return -1;
    if (check(spec->ndim >= 0 && spec->ndim <= EGT_MAX_RANK, "a spec has a rank above 16"))
        return -1;
    if (check(!shape || PyTuple_GET_SIZE(shape) == spec->ndim,
              "a spec's shape does not have its rank"))
        return -1;
    spec->is_fixed = 0;
    for (int k = 0; k < spec->ndim; k++) {
        spec->shape[k] = shape ? PyLong_AsLongLong(PyTuple_GET_ITEM(shape, k)) : -1;
        spec->is_fixed |= spec->shape[k] >= 0;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int read_specs(PyObject *tuple, Spec *specs)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
        if (check(PyTuple_Check(PyTuple_GET_ITEM(tuple, i)), "a spec is a tuple") ||
            read_spec(PyTuple_GET_ITEM(tuple, i), &specs[i]))
            return -1;
    return 0;
}

/* The specs of shared variables: as given, or those of their present arrays with any extents. */
static int read_shared(Function *f, PyObject *given)
{
    for (int i = 0; i < f->shareds; i++) {
        Spec *spec = &f->specs[f->inputs + i];
        if (check(PyObject_TypeCheck(PyTuple_GET_ITEM(f->shared, i), &SharedType),
                  "shared holds something else than Shared"))
            return -1;
        PyArrayObject *array = shared_at(f, i)->array;
        if (check(array && PyArray_NDIM(array) <= EGT_MAX_RANK,
                  "a shared variable has no array, or a rank above 16"))
            return -1;
        spec->typenum = PyArray_TYPE(array);
        spec->ndim = PyArray_NDIM(array);
        for (int k = 0; k < spec->ndim; k++)
            spec->shape[k] = -1;
    }
    if (!given)
        return 0;
    return check(PyTuple_GET_SIZE(given) == f->shareds, "shared_specs and shared differ in length")
               ? -1
               : read_specs(given, f->specs + f->inputs);
}

static int read_outputs(Function *f, PyObject *specs)
{
    for (int j = 0; j < f->outputs; j++) {
        Spec spec;
        if (check(PyTuple_Check(PyTuple_GET_ITEM(specs, j)), "a spec is a tuple") ||
            read_spec(PyTuple_GET_ITEM(specs, j), &spec))
            return -1;
        f->out[j] = (OutputSpec){PyArray_DescrFromType(spec.typenum), spec.typenum, spec.ndim};
        if (!f->out[j].descr ||
            check(!PyDataType_REFCHK(f->out[j].descr), "an output cannot hold Python objects"))
            return -1;
    }
    return 0;
}

/* The update values' variables, and the locks by increasing id (insertion sort: they are few). */
static int read_updates(Function *f, PyObject *updates)
{
    int count = f->outputs - f->results;
    for (int i = 0; i < count; i++) {
        long index = PyLong_AsLong(PyTuple_GET_ITEM(updates, i));
        if (check(index >= 0 && index < f->shareds, "an update names no shared variable"))
            return -1;
        Shared *s = shared_at(f, f->updates[i] = (int)index);
        int place = i;
        for (; place && f->locks[place - 1]->id > s->id; place--)
            f->locks[place] = f->locks[place - 1];
        if (check(!place || f->locks[place - 1] != s, "a shared variable is updated twice"))
            return -1;
        f->locks[place] = s;
    }
    return 0;
}

static int read_packing(Function *f, int packing, PyObject *keys)
{
    if (check(packing >= PACK_ONE && packing <= PACK_DICT, "packing is 0, 1 or 2") ||
        check(packing != PACK_ONE || f->results <= 1, "several results need a list or a dict"))
        return -1;
    f->packing = packing;
    if (packing != PACK_DICT)
        return 0;
    if (check(keys && PyTuple_GET_SIZE(keys) == f->results, "packing 2 needs one key per result"))
        return -1;
    if (!(f->results_template = PyDict_New()))
        return -1;
    for (int j = 0; j < f->results; j++)
        if (PyDict_SetItem(f->results_template, PyTuple_GET_ITEM(keys, j), Py_None))
            return -1;
    Py_INCREF(keys);
    f->keys = keys;
    return check(PyDict_GET_SIZE(f->results_template) == f->results, "a key occurs twice");
}

static PyObject
    *blas_loader; /* called, when set, before the first function that needs BLAS is made */

static int require_blas(void)
{
    if (blas.loaded || !blas_loader)
        return 0;
    PyObject *done = PyObject_CallNoArgs(blas_loader);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

typedef struct {
    unsigned long long prepare, main;
    PyObject *in_specs, *shared, *shared_specs, *out_specs, *updates, *keys, *keepalive, *convert,
        *error;
    Py_ssize_t results;
    int packing, needs_blas;
    long long gil_threshold;
} Arguments;

static int parse_arguments(PyObject *args, PyObject *keywords, Arguments *a)
{
    static char *names[] = {"prepare", "main",          "in_specs",   "out_specs",
                            "shared",  "shared_specs",  "nresults",   "updates",
                            "packing", "keys",          "keepalive",  "convert",
                            "error",   "gil_threshold", "needs_blas", NULL};
    *a = (Arguments){.results = -1, .gil_threshold = EGT_GIL_THRESHOLD};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|$KKO!O!O!O!nO!iO!OOOLp:Function", names,
                                     &a->prepare, &a->main, &PyTuple_Type, &a->in_specs,
                                     &PyTuple_Type, &a->out_specs, &PyTuple_Type, &a->shared,
                                     &PyTuple_Type, &a->shared_specs, &a->results, &PyTuple_Type,
                                     &a->updates, &a->packing, &PyTuple_Type, &a->keys,
                                     &a->keepalive, &a->convert, &a->error, &a->gil_threshold,
                                     &a->needs_blas))
        return -1;
    return check(a->prepare && a->main && a->in_specs && a->out_specs,
                 "prepare, main, in_specs and out_specs are needed");
}

static Py_ssize_t length_of(PyObject *tuple) { return tuple ? PyTuple_GET_SIZE(tuple) : 0; }

static int read_counts(Function *f, const Arguments *a)
{
    Py_ssize_t updates = length_of(a->updates), outputs = length_of(a->out_specs);
    Py_ssize_t inputs = length_of(a->in_specs), shareds = length_of(a->shared);
    if (check(inputs < INT_MAX / 64 && shareds < INT_MAX / 64 && outputs < INT_MAX / 64,
              "too many arrays") ||
        check(updates <= outputs && (a->results < 0 || a->results + updates == outputs),
              "nresults and updates do not add up to the outputs"))
        return -1;
    f->inputs = (int)inputs;
    f->shareds = (int)shareds;
    f->outputs = (int)outputs;
    f->results = (int)(outputs - updates);
    f->specs = PyMem_Calloc((size_t)(inputs + shareds) + 1, sizeof *f->specs);
    f->out = PyMem_Calloc((size_t)outputs + 1, sizeof *f->out);
    f->updates = PyMem_Calloc((size_t)updates + 1, sizeof *f->updates);
    f->locks = PyMem_Calloc((size_t)updates + 1, sizeof *f->locks);
    f->shared = a->shared ? (Py_INCREF(a->shared), a->shared) : PyTuple_New(0);
    if (f->specs && f->out && f->updates && f->locks && f->shared)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static int words_of(const Function *f)
{
    int words = 3 * (f->inputs + f->shareds + f->outputs) + f->shareds + 2 * f->outputs;
    for (int j = 0; j < f->outputs; j++)
        words += f->out[j].ndim;
    return words;
}

static PyObject *reference(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}

static int function_init(Function *f, PyObject *args, PyObject *keywords)
{
    Arguments a;
    if (check(!f->specs, "a Function is initialised once") || parse_arguments(args, keywords, &a) ||
        read_counts(f, &a) || read_specs(a.in_specs, f->specs) || read_shared(f, a.shared_specs) ||
        read_outputs(f, a.out_specs) || (a.updates && read_updates(f, a.updates)) ||
        read_packing(f, a.packing, a.keys) || (a.needs_blas && require_blas()))
        return -1;
    f->prepare = (Prepare)(uintptr_t)a.prepare;
    f->main = (Main)(uintptr_t)a.main;
    f->gil_threshold = a.gil_threshold;
    f->words = words_of(f);
    f->keepalive = reference(a.keepalive);
    f->convert = reference(a.convert);
    f->error = reference(a.error);
    f->vectorcall = function_call;
    return 0;
}

static int function_traverse(Function *f, visitproc visit, void *arg)
{
    Py_VISIT(f->shared);
    Py_VISIT(f->results_template);
    Py_VISIT(f->keys);
    Py_VISIT(f->keepalive);
    Py_VISIT(f->convert);
    Py_VISIT(f->error);
    return 0;
}

/* The code may go with keepalive, so the function is not callable any more. */
static int function_clear(Function *f)
{
    f->vectorcall = function_not_ready;
    Py_CLEAR(f->shared);
    Py_CLEAR(f->results_template);
    Py_CLEAR(f->keys);
    Py_CLEAR(f->keepalive);
    Py_CLEAR(f->convert);
    Py_CLEAR(f->error);
    return 0;
}

static void function_dealloc(Function *f)
{
    PyObject_GC_UnTrack(f);
    function_clear(f);
    arenas_free(&f->arenas);
    for (int j = 0; f->out && j < f->outputs; j++)
        Py_XDECREF(f->out[j].descr);
    PyMem_Free(f->specs);
    PyMem_Free(f->out);
    PyMem_Free(f->updates);
    PyMem_Free(f->locks);
    Py_TYPE(f)->tp_free(f);
}

/* Python 3.11 does not let classes inherit the vectorcall flag, which would cost 50 ns per call. */
static PyObject *function_init_subclass(PyObject *class, PyObject *none)
{
    (void)none;
#if PY_VERSION_HEX < 0x030C0000
    PyTypeObject *type = (PyTypeObject *)class;
    if (type->tp_call == PyVectorcall_Call) {
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified(type);
    }
#else
    (void)class;
#endif
    Py_RETURN_NONE;
}

static PyObject *function_get_address(Function *f, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong((uintptr_t)f->main);
}

static PyObject *function_get_prepare_address(Function *f, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong((uintptr_t)f->prepare);
}

static PyGetSetDef function_properties[] = {
    {"address", (getter)function_get_address, NULL, "Address of egt_main.", NULL},
    {"prepare_address", (getter)function_get_prepare_address, NULL, "Address of egt_prepare.",
     NULL},
    {NULL},
};

static PyMethodDef function_methods[] = {
    {"__init_subclass__", function_init_subclass, METH_NOARGS | METH_CLASS,
     "Keep calls of subclasses fast."},
    {NULL},
};

static PyTypeObject FunctionType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "egtensor.emit_c.runtime.Function",
    .tp_doc = "A compiled function; see egtensor/emit_c/_runtime.pyi.",
    .tp_basicsize = sizeof(Function),
    .tp_flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Function, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_new = function_new,
    .tp_init = (initproc)function_init,
    .tp_traverse = (traverseproc)function_traverse,
    .tp_clear = (inquiry)function_clear,
    .tp_dealloc = (destructor)function_dealloc,
    .tp_getset = function_properties,
    .tp_methods = function_methods,
};
