/* Copies of arrays whose elements do not lie one after the other. */

/* One plane of a copy, in tiles: rows of the copy are contiguous, columns of the original may be. */
#define PACK(name, type) \
    static void name(char *to, int64_t to_row, const char *from, int64_t row, int64_t step, \
                     int64_t m, int64_t n) \
    { \
        for (int64_t b = 0; b < m; b += 32) \
            for (int64_t c = 0; c < n; c += 32) \
                for (int64_t i = b; i < m && i < b + 32; ++i) \
                    for (int64_t j = c; j < n && j < c + 32; ++j) \
                        ((type *)(to + i * to_row))[j] = *(const type *)(from + i * row + j * step); \
    }
PACK(pack1, int8_t)
PACK(pack2, int16_t)
PACK(pack4, int32_t)
PACK(pack8, int64_t)

static char *rt_contiguous(egt_rt *rt, char *data, int32_t rank, const int64_t *shape,
                           const int64_t *strides, int64_t itemsize)
{
    int64_t bytes = itemsize, packed = 1, size[32];
    for (int k = rank - 1; k >= 0; --k) {
        packed &= shape[k] == 1 || strides[k] == bytes;
        size[k] = bytes;
        bytes *= shape[k];
    }
    if (packed || !bytes) return data;
    char *const made = rt->alloc(rt, bytes);
    if (!made) return 0;
    /* planes over the last axis and the one along which the original is most nearly contiguous */
    int across = rank - 2;
    for (int k = rank - 2; k >= 0; --k) across = strides[k] == itemsize ? k : across;
    const int64_t last = rank - 1, m = rank > 1 ? shape[across] : 1;
    const int64_t row = rank > 1 ? strides[across] : 0, to_row = rank > 1 ? size[across] : 0;
    int64_t index[32] = {0};
    for (int k = 0; k >= 0;) {
        int64_t to = 0, from = 0;
        for (k = 0; k < last; ++k) to += index[k] * size[k], from += index[k] * strides[k];
        (itemsize == 8 ? pack8 : itemsize == 4 ? pack4 : itemsize == 2 ? pack2 : pack1)(
            made + to, to_row, data + from, row, strides[last], m, shape[last]);
        for (k = (int)last - 1; k >= 0; --k) {
            if (k == across) continue;
            if (++index[k] < shape[k]) break;
            index[k] = 0;
        }
    }
    return made;
}
