/* How much the host keeps for a worker: sockets, whose buffers count whole, and a body. */

#include "told.h"

#define V4 WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4
#define PIECE 65536
#define SOCKETS 200

static wasi_sockets_tcp_tcp_socket_t sockets[SOCKETS];
static size_t count;
static uint64_t pieces;
static wasi_http_types_outgoing_body_t body;

static void connections(void) {
  for (; count < SOCKETS; count++) {
    __auto_type made = wasi_sockets_tcp_create_socket_create_tcp_socket(V4);
    if (made.is_err) break;
    sockets[count] = made.val.ok;
  }
  say_number(count);
}

static wasi_io_streams_output_stream_t opened(void) {
  wasi_http_types_outgoing_request_t request =
      wasi_http_types_constructor_outgoing_request(wasi_http_types_constructor_fields());
  body = wasi_http_types_method_outgoing_request_body(request).val.ok;
  return wasi_http_types_method_outgoing_body_write(body).val.ok;
}

static void filled(void) {
  wasi_io_streams_output_stream_t out = opened();
  for (pieces = 0;; pieces++) {
    __auto_type written = wasi_io_streams_method_output_stream_write_zeroes(out, PIECE);
    if (!written.is_err) continue;
    say_number(pieces);
    wasi_io_error_error_t error = written.val.err.val.last_operation_failed;
    SAY_STRING(wasi_io_error_method_error_to_debug_string(error));
    say_number(wasi_http_types_http_error_code(error).val.tag);
    wasi_io_error_error_drop(error);
    break;
  }
  SAY_CASE(wasi_io_streams_method_output_stream_write_zeroes(out, 1));
  wasi_io_streams_output_stream_drop(out);
  wasi_http_types_outgoing_body_drop(body);
}

/* What is given back can be had again. */
static void given_back(void) {
  while (count) wasi_sockets_tcp_tcp_socket_drop(sockets[--count]);
  wasi_io_streams_output_stream_t out = opened();
  DONE(wasi_io_streams_method_output_stream_write_zeroes(out, PIECE));
  say("room");
  wasi_io_streams_output_stream_drop(out);
  wasi_http_types_outgoing_body_drop(body);
}

/* Copies are held, and count as what they are copies of. */
static void fields_without_end(void) {
  static uint8_t value[60000];
  for (size_t i = 0; i < sizeof value; i++) value[i] = 'x';
  wasi_http_types_fields_t fields = wasi_http_types_constructor_fields();
  DONE(wasi_http_types_method_fields_append(fields, TEXT("a"),
                                            (wit_list_u8_t){value, sizeof value}));
  for (;;) wasi_http_types_method_fields_clone(fields);
}

static void messages_without_end(void) {
  for (;;) wasi_http_types_constructor_outgoing_request(wasi_http_types_constructor_fields());
}

static void drawn(void) { say_number(wasi_random_random_get_random_u64()); }

static void again(void) { say_number(pieces); }

PARTS({"connections", connections}, {"filled", filled}, {"given back", given_back},
      {"fields", fields_without_end}, {"messages", messages_without_end},
      {"drawn", drawn}, {"again", again})
