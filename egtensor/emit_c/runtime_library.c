/* Library: a compiled shared object, open as long as the object lives. Part of runtime.c. */

typedef struct {
    PyObject_HEAD void *handle;
} Library;

static PyObject *library_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"path", NULL};
    PyObject *path;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&:Library", names, PyUnicode_FSConverter,
                                     &path))
        return NULL;
    Library *library = (Library *)type->tp_alloc(type, 0);
    if (library && !(library->handle = dlopen(PyBytes_AS_STRING(path), RTLD_NOW | RTLD_LOCAL))) {
        PyErr_SetString(PyExc_OSError, dlerror());
        Py_CLEAR(library);
    }
    Py_DECREF(path);
    return (PyObject *)library;
}

static PyObject *library_symbol(Library *library, PyObject *name)
{
    const char *symbol = PyUnicode_AsUTF8(name);
    if (!symbol)
        return NULL;
    void *address = dlsym(library->handle, symbol);
    if (!address) {
        PyErr_Format(PyExc_LookupError, "the library has no symbol %U", name);
        return NULL;
    }
    return PyLong_FromVoidPtr(address);
}

static void library_dealloc(Library *library)
{
    if (library->handle)
        dlclose(library->handle);
    Py_TYPE(library)->tp_free(library);
}

static PyMethodDef library_methods[] = {
    {"symbol", (PyCFunction)library_symbol, METH_O, "Address of a function."},
    {NULL},
};

static PyTypeObject LibraryType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "egtensor.emit_c.runtime.Library",
    .tp_doc = "Library(path): a shared object, closed with the last reference to this object.",
    .tp_basicsize = sizeof(Library),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = library_new,
    .tp_dealloc = (destructor)library_dealloc,
    .tp_methods = library_methods,
};
