/* Function: a compiled function as a Python object: how it is made, and its type.
 * Part of runtime.c. */

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

static int fill_with_any(Spec *spec)
{
    if (!(spec->extents = PyMem_Malloc(EGT_MAX_RANK * sizeof *spec->extents))) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; k < spec->ndim; k++)
        spec->extents[k] = -1;
    return 0;
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
    for (int k = 0; shape && k < spec->ndim; k++) {
        int64_t extent = PyLong_AsLongLong(PyTuple_GET_ITEM(shape, k));
        if (extent >= 0 && !spec->extents && fill_with_any(spec))
            return -1;
        if (extent >= 0)
            spec->extents[k] = extent;
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
        Spec spec = {0};
        if (check(PyTuple_Check(PyTuple_GET_ITEM(specs, j)), "a spec is a tuple") ||
            read_spec(PyTuple_GET_ITEM(specs, j), &spec))
            return -1;
        PyMem_Free(spec.extents);
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
    for (int i = 0; f->specs && i < f->inputs + f->shareds; i++)
        PyMem_Free(f->specs[i].extents);
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
