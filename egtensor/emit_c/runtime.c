/* The runtime of compiled functions: egtensor.emit_c._runtime. Built once, with the package, by
 * runtime_build.py; one translation unit, so that everything but egt_install is static. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#include "runtime.h"

_Static_assert(sizeof(npy_intp) == sizeof(int64_t), "egtensor needs a 64-bit system");

#include "runtime_memory.c"
#include "runtime_pool.c"
#include "runtime_blas.c"
#include "runtime_shared.c"
#include "runtime_pack.c"
#include "runtime_call.c"
#include "runtime_function.c"
#include "runtime_library.c"

static PyObject *py_set_threads(PyObject *module, PyObject *value)
{
    (void)module;
    long threads = PyLong_AsLong(value);
    if (threads < 1 || threads > EGT_MAX_THREADS) {
        if (!PyErr_Occurred())
            PyErr_Format(
                PyExc_ValueError,
                "set_threads: got %ld\n  a pool has 1 to %d threads, the calling one included\n"
                "  fix: set_threads(1) to work without a pool",
                threads, EGT_MAX_THREADS);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS pool_set_threads((int)threads);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *py_get_threads(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return PyLong_FromLong(atomic_load(&pool_threads));
}

static PyObject *py_load_blas(PyObject *module, PyObject *value)
{
    (void)module;
    PyObject *path;
    if (!PyUnicode_FSConverter(value, &path))
        return NULL;
    void *library;
    Py_BEGIN_ALLOW_THREADS library =
        dlopen(PyBytes_AS_STRING(path),
               RTLD_NOW | RTLD_LOCAL); /* never closed: code points into it */
    Py_END_ALLOW_THREADS Py_DECREF(path);
    const char *missing = library ? blas_resolve(library) : NULL;
    if (library && !missing)
        Py_RETURN_NONE;
    PyErr_Format(
        PyExc_OSError,
        "load_blas: %s%s\n  matrix products need the library of the package scipy-openblas32\n"
        "  fix: pip install scipy-openblas32",
        missing ? "no function " : "", missing ? missing : dlerror());
    return NULL;
}

static PyObject *py_set_blas_loader(PyObject *module, PyObject *loader)
{
    (void)module;
    Py_INCREF(loader);
    Py_XSETREF(blas_loader, loader);
    Py_RETURN_NONE;
}

static PyObject *py_fail_alloc_after(PyObject *module, PyObject *value)
{
    (void)module;
    long long n = PyLong_AsLongLong(value);
    if (n == -1 && PyErr_Occurred())
        return NULL;
    atomic_store(&allocations_before_failure, n > 0 ? n - 1 : -1);
    Py_RETURN_NONE;
}

static PyMethodDef runtime_functions[] = {
    {"set_threads", py_set_threads, METH_O,
     "Let parallel loops run on n threads, the calling one included."},
    {"get_threads", py_get_threads, METH_NOARGS, "The number of threads parallel loops may use."},
    {"load_blas", py_load_blas, METH_O,
     "Open the library of scipy-openblas32 and turn its threads off."},
    {"set_blas_loader", py_set_blas_loader, METH_O,
     "Set what is called before the first function that needs BLAS."},
    {"fail_alloc_after", py_fail_alloc_after, METH_O,
     "Let the n-th allocation from now fail; 0: none. For tests."},
    {NULL},
};

static void after_fork_in_child(void)
{
    pool_after_fork();
    shared_after_fork();
}

/* Put the runtime's types and functions into a namespace; -1 with an exception. */
static int install(PyObject *namespace)
{
    static int registered;
    PyTypeObject *types[] = {&SharedType, &FunctionType, &LibraryType};
    const char *names[] = {"Shared", "Function", "Library"};
    if (_import_array() < 0)
        return -1;
    if (!registered && pthread_atfork(NULL, NULL, after_fork_in_child)) {
        PyErr_NoMemory();
        return -1;
    }
    registered = 1;
    for (int i = 0; i < 3; i++)
        if (PyType_Ready(types[i]) < 0 ||
            PyDict_SetItemString(namespace, names[i], (PyObject *)types[i]))
            return -1;
    for (PyMethodDef *method = runtime_functions; method->ml_name; method++) {
        PyObject *function = PyCFunction_New(method, NULL);
        int failed = !function || PyDict_SetItemString(namespace, method->ml_name, function);
        Py_XDECREF(function);
        if (failed)
            return -1;
    }
    return 0;
}

/* cffi releases the GIL around calls: take it back. An exception cannot cross: printed. */
static int egt_install(uintptr_t namespace)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int failed = install((PyObject *)namespace);
    if (failed)
        PyErr_Print();
    PyGILState_Release(state);
    return failed;
}
