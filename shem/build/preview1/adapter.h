/* WASI preview 1 for core modules, in terms of WASI 0.2.
 *
 * The adapter has a memory of its own. What the guest has in its memory is copied in and out by two
 * functions that the component puts in between; so nothing of the adapter lies in the guest's
 * memory, and the guest's allocator is never asked before the guest is ready. */

#ifndef ADAPTER_H
#define ADAPTER_H

#ifdef FILES
#include "full.h"
#else
#include "small.h"
#endif

#define EXPORT(name) __attribute__((export_name(name)))

typedef uint32_t guest;  /* an address in the guest's memory */
typedef int32_t status;  /* an errno of preview 1 */

enum {
  SUCCESS = 0, AGAIN = 6, BADF = 8, EXIST = 20, INVAL = 28, IO = 29, ISDIR = 31, MFILE = 33,
  NOENT = 44, NOMEM = 48, NOSYS = 52, NOTDIR = 54, NOTSOCK = 57, NOTSUP = 58, PIPE = 64, SPIPE = 70
};
enum { UNKNOWN = 0, CHARACTER_DEVICE = 2, DIRECTORY = 3, REGULAR_FILE = 4 };

__attribute__((import_module("guest"), import_name("copy_in")))
extern void copy_in(void *to, guest from, uint32_t length);
__attribute__((import_module("guest"), import_name("copy_out")))
extern void copy_out(guest to, const void *from, uint32_t length);

static inline uint32_t load32(guest from) { uint32_t v; copy_in(&v, from, 4); return v; }
static inline void store32(guest to, uint32_t value) { copy_out(to, &value, 4); }
static inline void store64(guest to, uint64_t value) { copy_out(to, &value, 8); }

typedef struct { guest address; uint32_t length; } vector;
static inline vector vector_at(guest vectors, uint32_t at) {
  vector v;
  copy_in(&v, vectors + at * sizeof v, sizeof v);
  return v;
}

/* Standard streams, by their numbers 0, 1 and 2. */
wasi_io_streams_input_stream_t standard_input(void);
status write_standard(uint32_t number, guest vectors, uint32_t count, guest written);
status read_standard(guest vectors, uint32_t count, guest read);

static inline status status_of(wasi_io_streams_stream_error_t error) {
  if (error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) return PIPE;
  wasi_io_error_error_drop(error.val.last_operation_failed);
  return IO;
}

#endif
