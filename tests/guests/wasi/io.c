/* wasi:io, called in every way, over files and consoles. */

#include "told.h"

#define IN(name) wasi_io_streams_method_input_stream_##name
#define OUT(name) wasi_io_streams_method_output_stream_##name
#define READ WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ
#define WRITE WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE
#define CREATE WASI_FILESYSTEM_TYPES_OPEN_FLAGS_CREATE

static wasi_filesystem_types_descriptor_t from, to;
static wasi_io_streams_input_stream_t in;
static wasi_io_streams_output_stream_t out;

static void begin(void) {
  wasi_filesystem_types_descriptor_t root = wasi_filesystem_preopens_get_directories().ptr[0].f0;
  from = OK(wasi_filesystem_types_method_descriptor_open_at(root, 0, TEXT("from"), CREATE,
                                                            READ | WRITE));
  to = OK(wasi_filesystem_types_method_descriptor_open_at(root, 0, TEXT("to"), CREATE,
                                                          READ | WRITE));
  OK(wasi_filesystem_types_method_descriptor_write(from, BYTES("0123456789abcdef"), 0));
  in = OK(wasi_filesystem_types_method_descriptor_read_via_stream(from, 0));
  out = OK(wasi_filesystem_types_method_descriptor_write_via_stream(to, 0));
}

static void input(void) {
  SAY_BYTES(OK(IN(read)(in, 2)));
  SAY_BYTES(OK(IN(blocking_read)(in, 2)));
  say_number(OK(IN(skip)(in, 1)));
  say_number(OK(IN(blocking_skip)(in, 1)));
  wasi_io_poll_pollable_t readable = IN(subscribe)(in);
  say_bool(wasi_io_poll_method_pollable_ready(readable));
  wasi_io_poll_pollable_drop(readable);
}

static void output(void) {
  say_bool(OK(OUT(check_write)(out)) >= 1);
  DONE(OUT(write)(out, BYTES("w")));
  DONE(OUT(flush)(out));
  DONE(OUT(blocking_write_and_flush)(out, BYTES("b")));
  DONE(OUT(blocking_flush)(out));
  DONE(OUT(write_zeroes)(out, 1));
  DONE(OUT(blocking_write_zeroes_and_flush)(out, 2));
  say_number(OK(OUT(splice)(out, in, 3)));
  say_number(OK(OUT(blocking_splice)(out, in, 2)));
  wasi_io_poll_pollable_t writable = OUT(subscribe)(out);
  wasi_io_poll_method_pollable_block(writable);
  wasi_io_poll_pollable_drop(writable);
}

static void written(void) {
  __auto_type read = OK(wasi_filesystem_types_method_descriptor_read(to, 100, 0));
  for (size_t i = 0; i < read.f0.len; i++)
    if (!read.f0.ptr[i]) read.f0.ptr[i] = '.';
  SAY_BYTES(read.f0);
}

static void errors(void) {
  DONE(IN(skip)(in, 100));
  SAY_CASE(IN(read)(in, 1));
  SAY_CASE(OUT(blocking_splice)(out, in, 1));
  __auto_type far = OK(wasi_filesystem_types_method_descriptor_write_via_stream(to, 1ull << 62));
  __auto_type failed = OUT(blocking_write_and_flush)(far, BYTES("x"));
  SAY_CASE(failed);
  wasi_io_error_error_t error = failed.val.err.val.last_operation_failed;
  say_bool(wasi_io_error_method_error_to_debug_string(error).len > 0);
  say_bool(wasi_filesystem_types_filesystem_error_code(error).val ==
           WASI_FILESYSTEM_TYPES_ERROR_CODE_FILE_TOO_LARGE);
  wasi_io_error_error_drop(error);
  wasi_io_streams_output_stream_drop(far);
}

static void polled(void) {
  wasi_io_poll_pollable_t all[] = {wasi_clocks_monotonic_clock_subscribe_duration(1ull << 62),
                                   IN(subscribe)(in), OUT(subscribe)(out),
                                   wasi_clocks_monotonic_clock_subscribe_duration(0)};
  wit_list_u32_t ready = wasi_io_poll_poll((wit_list_borrow_wasi_io_poll_pollable_t){all, 4});
  for (size_t i = 0; i < ready.len; i++) say_number(ready.ptr[i]);
  for (size_t i = 0; i < 4; i++) wasi_io_poll_pollable_drop(all[i]);
}

static void nothing(void) { wasi_io_poll_poll((wit_list_borrow_wasi_io_poll_pollable_t){0}); }

static void too_much(void) { DONE(OUT(write_zeroes)(out, 1ull << 30)); }

PARTS({"begin", begin}, {"input", input}, {"output", output}, {"written", written},
      {"errors", errors}, {"polled", polled}, {"nothing", nothing}, {"too much", too_much})
