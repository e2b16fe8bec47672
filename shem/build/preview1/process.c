/* What a process has: arguments, environment, clocks, random numbers, an end; and waiting. */

#include "adapter.h"

#define BUFFER 4096
#define SUBSCRIPTIONS_MAX 4096

/* Arguments and environment: an array of addresses, and the texts behind them. */

EXPORT("args_sizes_get") status args_sizes_get(guest count, guest size) {
  wit_list_string_t arguments = wasi_cli_environment_get_arguments();
  uint32_t total = 0;
  for (size_t i = 0; i < arguments.len; i++) total += arguments.ptr[i].len + 1;
  store32(count, arguments.len);
  store32(size, total);
  wit_list_string_free(&arguments);
  return SUCCESS;
}

EXPORT("args_get") status args_get(guest addresses, guest texts) {
  wit_list_string_t arguments = wasi_cli_environment_get_arguments();
  for (size_t i = 0; i < arguments.len; i++) {
    wit_string_t text = arguments.ptr[i];
    store32(addresses + 4 * i, texts);
    copy_out(texts, text.ptr, text.len);
    copy_out(texts + text.len, "", 1);
    texts += text.len + 1;
  }
  wit_list_string_free(&arguments);
  return SUCCESS;
}

EXPORT("environ_sizes_get") status environ_sizes_get(guest count, guest size) {
  wit_list_wit_tuple2_string_string_t all = wasi_cli_environment_get_environment();
  uint32_t total = 0;
  for (size_t i = 0; i < all.len; i++) total += all.ptr[i].f0.len + all.ptr[i].f1.len + 2;
  store32(count, all.len);
  store32(size, total);
  wit_list_wit_tuple2_string_string_free(&all);
  return SUCCESS;
}

EXPORT("environ_get") status environ_get(guest addresses, guest texts) {
  wit_list_wit_tuple2_string_string_t all = wasi_cli_environment_get_environment();
  for (size_t i = 0; i < all.len; i++) {
    wit_string_t name = all.ptr[i].f0, value = all.ptr[i].f1;
    store32(addresses + 4 * i, texts);
    copy_out(texts, name.ptr, name.len);
    texts += name.len;
    copy_out(texts, "=", 1);
    copy_out(texts + 1, value.ptr, value.len);
    texts += 1 + value.len;
    copy_out(texts, "", 1);
    texts += 1;
  }
  wit_list_wit_tuple2_string_string_free(&all);
  return SUCCESS;
}

/* Clocks: 0 tells the time of day, 1 only goes forward. There is none of processor time. */

static uint64_t nanoseconds(wasi_clocks_wall_clock_datetime_t moment) {
  return moment.seconds * 1000000000 + moment.nanoseconds;
}

EXPORT("clock_res_get") status clock_res_get(uint32_t clock, guest resolution) {
  if (clock > 1) return clock > 3 ? INVAL : NOTSUP;
  store64(resolution, clock == 0 ? nanoseconds(wasi_clocks_wall_clock_resolution())
                                 : wasi_clocks_monotonic_clock_resolution());
  return SUCCESS;
}

EXPORT("clock_time_get") status clock_time_get(uint32_t clock, uint64_t precision, guest time) {
  (void)precision;
  if (clock > 1) return clock > 3 ? INVAL : NOTSUP;
  store64(time, clock == 0 ? nanoseconds(wasi_clocks_wall_clock_now())
                           : wasi_clocks_monotonic_clock_now());
  return SUCCESS;
}

EXPORT("random_get") status random_get(guest to, uint32_t length) {
  wit_list_u8_t bytes = wasi_random_random_get_random_bytes(length);
  copy_out(to, bytes.ptr, bytes.len);
  wit_list_u8_free(&bytes);
  return SUCCESS;
}

EXPORT("proc_exit") void proc_exit(uint32_t code) {
  wasi_cli_exit_exit((wit_result_void_void_t){.is_err = code != 0});
  __builtin_trap();
}

EXPORT("proc_raise") status proc_raise(uint32_t signal) {
  (void)signal;
  return NOSYS;
}

EXPORT("sched_yield") status sched_yield(void) { return SUCCESS; }

/* Standard streams. */

wasi_io_streams_input_stream_t standard_input(void) {
  static wasi_io_streams_input_stream_t stream;
  static bool open;
  if (!open) stream = wasi_cli_stdin_get_stdin();
  open = true;
  return stream;
}

static wasi_io_streams_output_stream_t standard_output(uint32_t number) {
  static wasi_io_streams_output_stream_t streams[2];
  static bool open[2];
  uint32_t at = number - 1;
  if (!open[at]) streams[at] = at ? wasi_cli_stderr_get_stderr() : wasi_cli_stdout_get_stdout();
  open[at] = true;
  return streams[at];
}

status write_standard(uint32_t number, guest vectors, uint32_t count, guest written) {
  static uint8_t buffer[BUFFER];
  wasi_io_streams_output_stream_t stream = standard_output(number);
  uint32_t total = 0, kept = 0;
  for (uint32_t i = 0; i < count; i++) {
    vector v = vector_at(vectors, i);
    while (v.length || (i + 1 == count && kept)) {
      uint32_t taken = v.length < BUFFER - kept ? v.length : BUFFER - kept;
      copy_in(buffer + kept, v.address, taken);
      v.address += taken;
      v.length -= taken;
      kept += taken;
      /* Small parts go out together. */
      if (kept < BUFFER && (v.length || i + 1 < count)) break;
      wit_result_void_wasi_io_streams_stream_error_t done =
          wasi_io_streams_method_output_stream_blocking_write_and_flush(
              stream, (wit_list_u8_t){buffer, kept});
      if (done.is_err) return status_of(done.val.err);
      total += kept;
      kept = 0;
    }
  }
  store32(written, total);
  return SUCCESS;
}

status read_standard(guest vectors, uint32_t count, guest read) {
  for (uint32_t i = 0; i < count; i++) {
    vector v = vector_at(vectors, i);
    if (!v.length) continue;
    wit_result_wit_list_u8_wasi_io_streams_stream_error_t got =
        wasi_io_streams_method_input_stream_blocking_read(standard_input(), v.length);
    if (got.is_err) {
      if (got.val.err.tag != WASI_IO_STREAMS_STREAM_ERROR_CLOSED) return status_of(got.val.err);
      break;
    }
    copy_out(v.address, got.val.ok.ptr, got.val.ok.len);
    store32(read, got.val.ok.len);
    wit_list_u8_free(&got.val.ok);
    return SUCCESS;
  }
  store32(read, 0);
  return SUCCESS;
}

/* Waiting for times and standard streams. Files are always ready. */

typedef struct {
  uint64_t userdata;
  uint8_t kind;
  _Alignas(8) uint32_t what; /* a clock, or a descriptor */
  uint64_t timeout;
  uint64_t precision;
  uint16_t flags;
} subscription;

typedef struct {
  uint64_t userdata;
  uint16_t error;
  uint8_t kind;
  uint64_t bytes;
  uint16_t flags;
} event;

_Static_assert(sizeof(subscription) == 48 && sizeof(event) == 32, "as preview 1 lays them out");

static bool subscribed(const subscription *s, wasi_io_poll_pollable_t *made) {
  if (s->kind == 0) {
    bool absolute = s->flags & 1;
    uint64_t wait = s->timeout;
    if (s->what == 0 && absolute) {
      uint64_t now = nanoseconds(wasi_clocks_wall_clock_now());
      wait = wait > now ? wait - now : 0;
    }
    *made = s->what == 1 && absolute
                ? wasi_clocks_monotonic_clock_subscribe_instant(wait)
                : wasi_clocks_monotonic_clock_subscribe_duration(wait);
    return true;
  }
  if (s->kind == 1 && s->what == 0) {
    *made = wasi_io_streams_method_input_stream_subscribe(standard_input());
    return true;
  }
  return false;
}

EXPORT("poll_oneoff")
status poll_oneoff(guest subscriptions, guest events, uint32_t count, guest happened) {
  if (!count || count > SUBSCRIPTIONS_MAX) return INVAL;
  uint32_t done = 0, waiting = 0;
  wasi_io_poll_pollable_t *pollables = wit_alloc(count * sizeof *pollables);
  subscription *waited = wit_alloc(count * sizeof *waited);
  for (uint32_t i = 0; i < count; i++) {
    subscription s;
    copy_in(&s, subscriptions + i * sizeof s, sizeof s);
    if (s.kind > 2 || (s.kind == 0 && s.what > 1)) {
      event e = {s.userdata, s.kind > 2 ? INVAL : NOTSUP, s.kind, 0, 0};
      copy_out(events + done++ * sizeof e, &e, sizeof e);
    } else if (subscribed(&s, &pollables[waiting])) {
      waited[waiting++] = s;
    } else {
      event e = {s.userdata, SUCCESS, s.kind, 1, 0};
      copy_out(events + done++ * sizeof e, &e, sizeof e);
    }
  }
  if (!done) {
    wit_list_u32_t ready =
        wasi_io_poll_poll((wit_list_borrow_wasi_io_poll_pollable_t){pollables, waiting});
    for (size_t i = 0; i < ready.len; i++) {
      subscription *s = &waited[ready.ptr[i]];
      event e = {s->userdata, SUCCESS, s->kind, s->kind == 1, 0};
      copy_out(events + done++ * sizeof e, &e, sizeof e);
    }
    wit_list_u32_free(&ready);
  }
  for (uint32_t i = 0; i < waiting; i++) wasi_io_poll_pollable_drop(pollables[i]);
  wit_free(pollables);
  wit_free(waited);
  store32(happened, done);
  return SUCCESS;
}

/* Sockets of preview 1 could only take what the host had opened, and hosts open none. */

EXPORT("sock_accept") status sock_accept(uint32_t fd, uint32_t flags, guest made) {
  (void)fd, (void)flags, (void)made;
  return NOTSOCK;
}

EXPORT("sock_recv")
status sock_recv(uint32_t fd, guest v, uint32_t count, uint32_t flags, guest size, guest out) {
  (void)fd, (void)v, (void)count, (void)flags, (void)size, (void)out;
  return NOTSOCK;
}

EXPORT("sock_send")
status sock_send(uint32_t fd, guest v, uint32_t count, uint32_t flags, guest size) {
  (void)fd, (void)v, (void)count, (void)flags, (void)size;
  return NOTSOCK;
}

EXPORT("sock_shutdown") status sock_shutdown(uint32_t fd, uint32_t how) {
  (void)fd, (void)how;
  return NOTSOCK;
}
