/* wasi:clocks and wasi:random, called in every way. */

#include "told.h"

static uint64_t kept;

static void monotonic(void) {
  uint64_t now = wasi_clocks_monotonic_clock_now();
  say_bool(now <= wasi_clocks_monotonic_clock_now());
  say_bool(wasi_clocks_monotonic_clock_resolution() > 0);
  wasi_io_poll_pollable_t at = wasi_clocks_monotonic_clock_subscribe_instant(now + 300000000);
  wasi_io_poll_pollable_t in = wasi_clocks_monotonic_clock_subscribe_duration(1000000);
  wasi_io_poll_pollable_t never = wasi_clocks_monotonic_clock_subscribe_instant(1ull << 62);
  say_bool(wasi_io_poll_method_pollable_ready(never));
  wasi_io_poll_method_pollable_block(in);
  wasi_io_poll_method_pollable_block(at);
  say_bool(wasi_clocks_monotonic_clock_now() >= now + 300000000);
  wasi_io_poll_pollable_drop(in);
  wasi_io_poll_pollable_drop(at);
  wasi_io_poll_pollable_drop(never);
}

static void wall(void) {
  wasi_clocks_wall_clock_datetime_t now = wasi_clocks_wall_clock_now();
  wasi_clocks_wall_clock_datetime_t step = wasi_clocks_wall_clock_resolution();
  say_number(now.seconds);
  say_bool(now.nanoseconds < 1000000000);
  say_bool(!step.seconds && step.nanoseconds);
  SAY_STRING(wasi_clocks_timezone_display(now).name);
  say_number(wasi_clocks_timezone_utc_offset(now));
}

static void random(void) {
  say_number(wasi_random_random_get_random_bytes(5).len);
  kept = wasi_random_random_get_random_u64();
  say_number(kept);
  say_number(wasi_random_insecure_get_insecure_random_bytes(6).len);
  say_number(wasi_random_insecure_get_insecure_random_u64());
  say_number(wasi_random_insecure_seed_insecure_seed().f0);
}

static void again(void) { say_number(kept); }

static void too_much(void) { wasi_random_random_get_random_bytes(1ull << 40); }

PARTS({"monotonic", monotonic}, {"wall", wall}, {"random", random}, {"again", again},
      {"too much", too_much})
