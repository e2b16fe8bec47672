/* wasi:cli, called in every way. */

#include "told.h"

static void terminals(void) {
  say_bool(wasi_cli_terminal_stdin_get_terminal_stdin().is_some);
  say_bool(wasi_cli_terminal_stdout_get_terminal_stdout().is_some);
  say_bool(wasi_cli_terminal_stderr_get_terminal_stderr().is_some);
}

static void environment(void) {
  wit_list_wit_tuple2_string_string_t variables = wasi_cli_environment_get_environment();
  for (size_t i = 0; i < variables.len; i++)
    if (variables.ptr[i].f0.len == 5) SAY_STRING(variables.ptr[i].f1);
  say_number(wasi_cli_environment_get_arguments().len);
  SAY_STRING(wasi_cli_environment_initial_cwd().val);
}

static void streams(void) {
  wasi_io_streams_output_stream_t out = wasi_cli_stdout_get_stdout();
  wasi_io_streams_output_stream_t error = wasi_cli_stderr_get_stderr();
  DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(out, BYTES("out\n")));
  DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(error, BYTES("err\n")));
  wasi_io_streams_output_stream_drop(out);
  wasi_io_streams_output_stream_drop(error);
  say("written");
}

static wit_list_u8_t heard;

static void told_by_stdin(void) { SAY_BYTES(heard); }

wit_result_void_void_t exports_wasi_cli_run_run(void) {
  wasi_io_streams_input_stream_t in = wasi_cli_stdin_get_stdin();
  __auto_type read = wasi_io_streams_method_input_stream_blocking_read(in, 100);
  wasi_io_streams_input_stream_drop(in);
  heard = read.is_err ? (wit_list_u8_t){0} : read.val.ok;
  /* Without input it fails, as a program that ends with an error. */
  return (wit_result_void_void_t){.is_err = read.is_err};
}

static void leave(void) { wasi_cli_exit_exit((wit_result_void_void_t){.is_err = true}); }

static void leave_with_code(void) { wasi_cli_exit_exit_with_code(7); }

PARTS({"terminals", terminals}, {"environment", environment}, {"streams", streams},
      {"heard", told_by_stdin}, {"exit", leave}, {"exit-with-code", leave_with_code})
