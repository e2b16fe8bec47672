/* What a conforming guest says of what it did: texts, in the order in which it did it. */

#include "conform.h"

#pragma clang diagnostic ignored "-Wunused-function"

#define TOLD_MAX 256

static wit_string_t told[TOLD_MAX];
static size_t told_count;

static void say_bytes(const void *bytes, size_t size) {
  if (told_count == TOLD_MAX) __builtin_trap();
  told[told_count++] = wit_string_copy(bytes, size);
}

static size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

static void say(const char *text) { say_bytes(text, length_of(text)); }

#define SAY_STRING(string) ({ wit_string_t s_ = (string); say_bytes(s_.ptr, s_.len); })
#define SAY_BYTES(list) ({ __auto_type l_ = (list); say_bytes(l_.ptr, l_.len); })

static void say_number(int64_t number) {
  char digits[24];
  size_t at = sizeof digits;
  uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
  do digits[--at] = '0' + left % 10;
  while (left /= 10);
  if (number < 0) digits[--at] = '-';
  say_bytes(digits + at, sizeof digits - at);
}

static void say_bool(bool yes) { say(yes ? "yes" : "no"); }

/* What has to go well; it returns what came of it. Where it does not, the guest says the line. */
#define OK(call)                                                      \
  ({                                                                  \
    __auto_type r_ = (call);                                          \
    if (r_.is_err) { say("failed in line"); say_number(__LINE__); return; } \
    r_.val.ok;                                                        \
  })
#define DONE(call)                                                    \
  ({                                                                  \
    if ((call).is_err) { say("failed in line"); say_number(__LINE__); return; } \
  })
/* What a result of an enumeration of errors was: its name in `names`, or ok. */
#define SAY_CODE(names, call)                            \
  ({                                                     \
    __auto_type r_ = (call);                             \
    say(r_.is_err ? names[r_.val.err] : "ok");           \
  })
/* What a result with errors of a variant was: the number of the case, or ok. */
#define SAY_CASE(call)                                   \
  ({                                                     \
    __auto_type r_ = (call);                             \
    if (r_.is_err) say_number(r_.val.err.tag);           \
    else say("ok");                                      \
  })
#define SAY_ERR(call) say((call).is_err ? "error" : "ok")

#define TEXT(literal) ((wit_string_t){(char *)(literal), sizeof(literal) - 1})
#define BYTES(literal) ((wit_list_u8_t){(uint8_t *)(literal), sizeof(literal) - 1})

typedef struct {
  const char *name;
  void (*run)(void);
} part_t;

/* What follows the name of the part that is asked for. */
static wit_string_t argument;

/* The parts that a row may ask for. */
#define PARTS(...)                                                              \
  wit_list_string_t exports_demo_conform_api_call(wit_string_t part) {           \
    static const part_t parts[] = {__VA_ARGS__};                                \
    told_count = 0;                                                             \
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {                 \
      size_t length = length_of(parts[i].name);                                 \
      bool same = length == part.len || (length < part.len && part.ptr[length] == ' '); \
      for (size_t at = 0; same && at < length; at++) same = parts[i].name[at] == part.ptr[at]; \
      if (!same) continue;                                                      \
      argument.ptr = part.ptr + length + (length < part.len);                   \
      argument.len = part.len - length - (length < part.len);                   \
      parts[i].run();                                                           \
      wit_string_t *copy = wit_alloc(told_count * sizeof *copy);                \
      for (size_t at = 0; at < told_count; at++) copy[at] = told[at];           \
      return (wit_list_string_t){copy, told_count};                             \
    }                                                                           \
    __builtin_trap();                                                           \
  }
