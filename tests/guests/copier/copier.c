/* Answers a request with its body as it is read. Nothing is kept, so the worker stays small. */

#include "copier.h"

#define PIECE 65536

static void copy(wasi_io_streams_input_stream_t from, wasi_io_streams_output_stream_t to) {
  for (;;) {
    wit_result_wit_list_u8_wasi_io_streams_stream_error_t read =
        wasi_io_streams_method_input_stream_blocking_read(from, PIECE);
    if (read.is_err) return;
    wasi_io_streams_method_output_stream_blocking_write_and_flush(to, read.val.ok);
    wit_list_u8_free(&read.val.ok);
  }
}

void exports_wasi_http_incoming_handler_handle(wasi_http_types_incoming_request_t request,
                                               wasi_http_types_response_outparam_t out) {
  wasi_http_types_incoming_body_t incoming =
      wasi_http_types_method_incoming_request_consume(request).val.ok;
  wasi_io_streams_input_stream_t from =
      wasi_http_types_method_incoming_body_stream(incoming).val.ok;
  wasi_http_types_outgoing_response_t response =
      wasi_http_types_constructor_outgoing_response(wasi_http_types_constructor_fields());
  wasi_http_types_outgoing_body_t outgoing =
      wasi_http_types_method_outgoing_response_body(response).val.ok;
  wit_result_wasi_http_types_outgoing_response_wasi_http_types_error_code_t answer = {0};
  answer.val.ok = response;
  wasi_http_types_static_response_outparam_set(out, answer);
  wasi_io_streams_output_stream_t to = wasi_http_types_method_outgoing_body_write(outgoing).val.ok;

  copy(from, to);

  wasi_io_streams_output_stream_drop(to);
  wasi_io_streams_input_stream_drop(from);
  wasi_http_types_incoming_body_drop(incoming);
  wasi_http_types_incoming_request_drop(request);
  wasi_http_types_static_outgoing_body_finish(
      outgoing, (wit_option_wasi_http_types_fields_t){.is_some = false});
}
