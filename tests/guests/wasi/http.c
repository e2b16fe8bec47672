/* wasi:http, called in every way: fields, requests to a server, and requests that are answered. */

#include "told.h"

#define FIELDS(name) wasi_http_types_method_fields_##name
#define REQUEST(name) wasi_http_types_method_outgoing_request_##name
#define ASKED(name) wasi_http_types_method_incoming_request_##name
#define OPTIONS(name) wasi_http_types_method_request_options_##name
#define RESPONSE(name) wasi_http_types_method_incoming_response_##name
#define ANSWER(name) wasi_http_types_method_outgoing_response_##name

typedef wasi_http_types_fields_t fields_t;
typedef wasi_http_types_outgoing_request_t request_t;

static const wit_option_wasi_http_types_fields_t no_fields;
static const wit_option_wasi_http_types_request_options_t no_options;

static wit_option_string_t some(wit_string_t text) {
  return (wit_option_string_t){.is_some = true, .val = text};
}

static void fields(void) {
  wit_tuple2_string_wit_list_u8_t entries[] = {{TEXT("a"), BYTES("1")}, {TEXT("A"), BYTES("2")}};
  fields_t one = OK(wasi_http_types_static_fields_from_list(
      (wit_list_wit_tuple2_string_wit_list_u8_t){entries, 2}));
  DONE(FIELDS(append)(one, TEXT("b"), BYTES("3")));
  wit_list_u8_t values[] = {BYTES("4"), BYTES("5")};
  DONE(FIELDS(set)(one, TEXT("c"), (wit_list_wit_list_u8_t){values, 2}));
  DONE(FIELDS(delete)(one, TEXT("b")));
  fields_t copy = FIELDS(clone)(one);
  say_bool(FIELDS(has)(copy, TEXT("b")));
  wit_list_wit_list_u8_t found = FIELDS(get)(copy, TEXT("a"));
  for (size_t i = 0; i < found.len; i++) SAY_BYTES(found.ptr[i]);
  say_number(FIELDS(entries)(copy).len);
  SAY_CASE(FIELDS(append)(one, TEXT("a b"), BYTES("1")));
  SAY_CASE(FIELDS(append)(one, TEXT("a"), BYTES("1\r\nb: 2")));
  SAY_CASE(FIELDS(append)(one, TEXT("host"), BYTES("x")));
  entries[1].f1 = BYTES("\r\n");
  SAY_CASE(wasi_http_types_static_fields_from_list(
      (wit_list_wit_tuple2_string_wit_list_u8_t){entries, 2}));
  request_t request = wasi_http_types_constructor_outgoing_request(one);
  fields_t fixed = REQUEST(headers)(request);
  SAY_CASE(FIELDS(append)(fixed, TEXT("x"), BYTES("1")));
  SAY_CASE(FIELDS(set)(fixed, TEXT("x"), (wit_list_wit_list_u8_t){values, 2}));
  SAY_CASE(FIELDS(delete)(fixed, TEXT("a")));
  wasi_http_types_fields_drop(fixed);
  wasi_http_types_fields_drop(copy);
  wasi_http_types_outgoing_request_drop(request);
}

static void requests(void) {
  request_t request =
      wasi_http_types_constructor_outgoing_request(wasi_http_types_constructor_fields());
  wasi_http_types_method_t brew = {.tag = WASI_HTTP_TYPES_METHOD_OTHER}, bad = brew;
  brew.val.other = TEXT("BREW");
  bad.val.other = TEXT("G T");
  DONE(REQUEST(set_method)(request, brew));
  SAY_STRING(REQUEST(method)(request).val.other);
  SAY_ERR(REQUEST(set_method)(request, bad));
  DONE(REQUEST(set_path_with_query)(request, some(TEXT("/a?b=1"))));
  SAY_STRING(REQUEST(path_with_query)(request).val);
  SAY_ERR(REQUEST(set_path_with_query)(request, some(TEXT("/a\r\nb: 1"))));
  wit_option_wasi_http_types_scheme_t https = {.is_some = true, .val.tag = 1};
  DONE(REQUEST(set_scheme)(request, https));
  say_number(REQUEST(scheme)(request).val.tag);
  DONE(REQUEST(set_authority)(request, some(TEXT("h:1"))));
  SAY_STRING(REQUEST(authority)(request).val);
  SAY_ERR(REQUEST(set_authority)(request, some(TEXT("x\r\ny"))));
  OK(REQUEST(body)(request));
  SAY_ERR(REQUEST(body)(request));
}

#define OPTION(name, number)                                                      \
  say_bool(OPTIONS(name)(options).is_some);                                       \
  DONE(OPTIONS(set_##name)(options, (wit_option_u64_t){.is_some = true, number})); \
  say_number(OPTIONS(name)(options).val)

static void options(void) {
  wasi_http_types_request_options_t options = wasi_http_types_constructor_request_options();
  OPTION(connect_timeout, 1000);
  OPTION(first_byte_timeout, 2000);
  OPTION(between_bytes_timeout, 3000);
  wasi_http_types_request_options_drop(options);
}

static request_t request_for(uint8_t method, wit_string_t authority, const char *path) {
  request_t request =
      wasi_http_types_constructor_outgoing_request(wasi_http_types_constructor_fields());
  REQUEST(set_method)(request, (wasi_http_types_method_t){.tag = method});
  REQUEST(set_authority)(request, some(authority));
  REQUEST(set_path_with_query)(request, some(wit_string(path)));
  REQUEST(set_scheme)(request, (wit_option_wasi_http_types_scheme_t){.is_some = true});
  return request;
}

static void wait_for(wasi_io_poll_pollable_t one) {
  wasi_io_poll_method_pollable_block(one);
  wasi_io_poll_pollable_drop(one);
}

static void exchange(void) {
  request_t request = request_for(WASI_HTTP_TYPES_METHOD_POST, argument, "/echo/c");
  wasi_http_types_outgoing_body_t body = OK(REQUEST(body)(request));
  wasi_http_types_request_options_t patience = wasi_http_types_constructor_request_options();
  __auto_type future = OK(wasi_http_outgoing_handler_handle(
      request, (wit_option_wasi_http_types_request_options_t){true, patience}));
  wasi_io_streams_output_stream_t out = OK(wasi_http_types_method_outgoing_body_write(body));
  SAY_ERR(wasi_http_types_method_outgoing_body_write(body));
  DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(out, BYTES("hello")));
  wasi_io_streams_output_stream_drop(out);
  SAY_CASE(wasi_http_types_static_outgoing_body_finish(body, no_fields));
  wait_for(wasi_http_types_method_future_incoming_response_subscribe(future));
  __auto_type got = wasi_http_types_method_future_incoming_response_get(future);
  say_bool(got.is_some);
  say_bool(wasi_http_types_method_future_incoming_response_get(future).val.is_err);
  wasi_http_types_incoming_response_t response = OK(OK(got.val));
  say_number(RESPONSE(status)(response));
  fields_t headers = RESPONSE(headers)(response);
  SAY_BYTES(FIELDS(get)(headers, TEXT("x-test")).ptr[0]);
  SAY_CASE(FIELDS(delete)(headers, TEXT("x-test")));
  wasi_http_types_fields_drop(headers);
  wasi_http_types_incoming_body_t answer = OK(RESPONSE(consume)(response));
  SAY_ERR(RESPONSE(consume)(response));
  wasi_io_streams_input_stream_t in = OK(wasi_http_types_method_incoming_body_stream(answer));
  SAY_ERR(wasi_http_types_method_incoming_body_stream(answer));
  uint64_t size = 0;
  for (;;) {
    __auto_type read = wasi_io_streams_method_input_stream_blocking_read(in, 1000);
    if (read.is_err) break;
    size += read.val.ok.len;
  }
  say_bool(size > 5);
  wasi_io_streams_input_stream_drop(in);
  wasi_http_types_incoming_body_drop(answer);
  wasi_http_types_incoming_response_drop(response);
  wasi_http_types_future_incoming_response_drop(future);
}

/* A response whose body ends with a trailer. */
static void trailers(void) {
  __auto_type future = OK(wasi_http_outgoing_handler_handle(
      request_for(WASI_HTTP_TYPES_METHOD_GET, argument, "/long/3"), no_options));
  wait_for(wasi_http_types_method_future_incoming_response_subscribe(future));
  __auto_type got = wasi_http_types_method_future_incoming_response_get(future);
  wasi_http_types_incoming_response_t response = OK(OK(got.val));
  wasi_http_types_incoming_body_t body = OK(RESPONSE(consume)(response));
  wasi_io_streams_input_stream_t in = OK(wasi_http_types_method_incoming_body_stream(body));
  while (!wasi_io_streams_method_input_stream_blocking_skip(in, 100).is_err) continue;
  wasi_io_streams_input_stream_drop(in);
  wasi_http_types_future_trailers_t end = wasi_http_types_static_incoming_body_finish(body);
  wait_for(wasi_http_types_method_future_trailers_subscribe(end));
  __auto_type told_at_end = wasi_http_types_method_future_trailers_get(end);
  say_bool(told_at_end.is_some);
  say_bool(wasi_http_types_method_future_trailers_get(end).val.is_err);
  wit_option_wasi_http_types_fields_t found = OK(OK(told_at_end.val));
  SAY_BYTES(FIELDS(get)(found.val, TEXT("x-digest")).ptr[0]);
  wasi_http_types_fields_drop(found.val);
  wasi_http_types_future_trailers_drop(end);
  wasi_http_types_incoming_response_drop(response);
  wasi_http_types_future_incoming_response_drop(future);
}

static void failures(void) {
  /* Nobody listens there. */
  __auto_type refused = OK(wasi_http_outgoing_handler_handle(
      request_for(WASI_HTTP_TYPES_METHOD_GET, TEXT("127.0.0.1:1"), "/"), no_options));
  wait_for(wasi_http_types_method_future_incoming_response_subscribe(refused));
  say_number(OK(wasi_http_types_method_future_incoming_response_get(refused).val).val.err.tag);
  wasi_http_types_future_incoming_response_drop(refused);
  /* A connection that is cut in the body. */
  __auto_type cut = OK(wasi_http_outgoing_handler_handle(
      request_for(WASI_HTTP_TYPES_METHOD_GET, argument, "/cut/10"), no_options));
  wait_for(wasi_http_types_method_future_incoming_response_subscribe(cut));
  __auto_type got = wasi_http_types_method_future_incoming_response_get(cut);
  wasi_http_types_incoming_response_t response = OK(OK(got.val));
  wasi_http_types_incoming_body_t body = OK(RESPONSE(consume)(response));
  wasi_io_streams_input_stream_t in = OK(wasi_http_types_method_incoming_body_stream(body));
  for (;;) {
    __auto_type read = wasi_io_streams_method_input_stream_blocking_read(in, 1000);
    if (!read.is_err) continue;
    say_number(read.val.err.tag);
    wasi_io_error_error_t error = read.val.err.val.last_operation_failed;
    say_bool(wasi_http_types_http_error_code(error).is_some);
    wasi_io_error_error_drop(error);
    break;
  }
  wasi_io_streams_input_stream_drop(in);
  wasi_http_types_incoming_body_drop(body);
  wasi_http_types_incoming_response_drop(response);
  wasi_http_types_future_incoming_response_drop(cut);
}

PARTS({"fields", fields}, {"requests", requests}, {"options", options}, {"exchange", exchange},
      {"trailers", trailers}, {"failures", failures})

/* Answers with what the request was, one line each. */
static void describe(wasi_http_types_incoming_request_t request,
                     wasi_io_streams_output_stream_t to) {
  told_count = 0;
  say_number(ASKED(method)(request).tag);
  SAY_STRING(ASKED(path_with_query)(request).val);
  say_number(ASKED(scheme)(request).val.tag);
  SAY_STRING(ASKED(authority)(request).val);
  fields_t headers = ASKED(headers)(request);
  SAY_BYTES(FIELDS(get)(headers, TEXT("a")).ptr[0]);
  wasi_http_types_fields_drop(headers);
  wasi_http_types_incoming_body_t body = OK(ASKED(consume)(request));
  SAY_ERR(ASKED(consume)(request));
  wasi_io_streams_input_stream_t in = OK(wasi_http_types_method_incoming_body_stream(body));
  SAY_BYTES(OK(wasi_io_streams_method_input_stream_blocking_read(in, 100)));
  wasi_io_streams_input_stream_drop(in);
  wasi_http_types_incoming_body_drop(body);
  for (size_t i = 0; i < told_count; i++) {
    wit_list_u8_t line = {(uint8_t *)told[i].ptr, told[i].len};
    DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(to, line));
    DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(to, BYTES("\n")));
  }
}

void exports_wasi_http_incoming_handler_handle(wasi_http_types_incoming_request_t request,
                                               wasi_http_types_response_outparam_t out) {
  wit_result_wasi_http_types_outgoing_response_wasi_http_types_error_code_t answer = {0};
  if (ASKED(method)(request).tag == WASI_HTTP_TYPES_METHOD_DELETE) {
    answer.is_err = true;
    answer.val.err.tag = WASI_HTTP_TYPES_ERROR_CODE_LOOP_DETECTED;
    wasi_http_types_static_response_outparam_set(out, answer);
    return;
  }
  wasi_http_types_outgoing_response_t response =
      wasi_http_types_constructor_outgoing_response(wasi_http_types_constructor_fields());
  if (ANSWER(status_code)(response) != 200) __builtin_trap();
  if (!ANSWER(set_status_code)(response, 99).is_err) __builtin_trap();
  if (ANSWER(set_status_code)(response, 201).is_err) __builtin_trap();
  fields_t headers = ANSWER(headers)(response);
  if (FIELDS(entries)(headers).len) __builtin_trap();
  wasi_http_types_fields_drop(headers);
  wasi_http_types_outgoing_body_t body = ANSWER(body)(response).val.ok;
  answer.val.ok = response;
  wasi_http_types_static_response_outparam_set(out, answer);
  wasi_io_streams_output_stream_t to = wasi_http_types_method_outgoing_body_write(body).val.ok;
  describe(request, to);
  wasi_io_streams_output_stream_drop(to);
  wasi_http_types_incoming_request_drop(request);
  wasi_http_types_static_outgoing_body_finish(body, no_fields);
}
