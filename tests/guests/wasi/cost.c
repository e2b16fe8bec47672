/* Host calls by the thousand, for what they cost: `part TIMES SIZE`. */

#include "told.h"

#define FS(name) wasi_filesystem_types_method_descriptor_##name
#define OUT(name) wasi_io_streams_method_output_stream_##name

static wasi_filesystem_types_descriptor_t file;
static uint64_t times, size;

static void taken(void) {
  uint64_t numbers[2] = {0};
  size_t at = 0;
  for (size_t i = 0; i < argument.len; i++)
    if (argument.ptr[i] == ' ') at = 1;
    else numbers[at] = numbers[at] * 10 + (argument.ptr[i] - '0');
  times = numbers[0];
  size = numbers[1];
}

static void begin(void) {
  wasi_filesystem_types_descriptor_t root = wasi_filesystem_preopens_get_directories().ptr[0].f0;
  file = OK(FS(open_at)(root, 0, TEXT("f"), WASI_FILESYSTEM_TYPES_OPEN_FLAGS_CREATE,
                        WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ |
                            WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE));
  DONE(FS(set_size)(file, 1 << 20));
}

static void nothing(void) { taken(); }

static void clock(void) {
  taken();
  for (uint64_t i = 0; i < times; i++) wasi_clocks_monotonic_clock_now();
}

static void random(void) {
  taken();
  for (uint64_t i = 0; i < times; i++) wasi_random_random_get_random_u64();
}

static void reads(void) {
  taken();
  for (uint64_t i = 0; i < times; i++) {
    __auto_type read = OK(FS(read)(file, size, 0));
    wit_list_u8_free(&read.f0);
  }
}

static void writes(void) {
  taken();
  wit_list_u8_t bytes = {wit_alloc(size), size};
  for (uint64_t i = 0; i < times; i++) OK(FS(write)(file, bytes, 0));
  wit_free(bytes.ptr);
}

/* A stream ends with its file, so there is a new one for each megabyte. */
static void stream_reads(void) {
  taken();
  wasi_io_streams_input_stream_t in = OK(FS(read_via_stream)(file, 0));
  for (uint64_t i = 0, left = 1 << 20; i < times; i++, left -= size) {
    if (left < size) {
      wasi_io_streams_input_stream_drop(in);
      in = OK(FS(read_via_stream)(file, 0));
      left = 1 << 20;
    }
    __auto_type read = OK(wasi_io_streams_method_input_stream_blocking_read(in, size));
    wit_list_u8_free(&read);
  }
  wasi_io_streams_input_stream_drop(in);
}

static void stream_writes(void) {
  taken();
  wit_list_u8_t bytes = {wit_alloc(size), size};
  wasi_io_streams_output_stream_t out = OK(FS(write_via_stream)(file, 0));
  for (uint64_t i = 0, left = 1 << 20; i < times; i++, left -= size) {
    if (left < size) {
      wasi_io_streams_output_stream_drop(out);
      out = OK(FS(write_via_stream)(file, 0));
      left = 1 << 20;
    }
    DONE(OUT(blocking_write_and_flush)(out, bytes));
  }
  wasi_io_streams_output_stream_drop(out);
  wit_free(bytes.ptr);
}

PARTS({"begin", begin}, {"nothing", nothing}, {"clock", clock}, {"random", random},
      {"read", reads}, {"write", writes}, {"stream-read", stream_reads},
      {"stream-write", stream_writes})
