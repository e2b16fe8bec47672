/* Descriptors of files and folders, and the paths below them. */

#include "adapter.h"

#define DESCRIPTORS_MAX 1024
#define PIECE (64 * 1024)

typedef wasi_filesystem_types_descriptor_t descriptor;
typedef wasi_filesystem_types_descriptor_stat_t stat_t;
typedef wasi_filesystem_types_new_timestamp_t new_time;

typedef enum { CLOSED, STANDARD, FILE_OR_FOLDER } kind_t;

typedef struct {
  kind_t kind;
  uint32_t standard; /* the number of a standard stream */
  descriptor handle;
  uint8_t type;
  uint16_t flags; /* as preview 1 has them: append 1, dsync 2, nonblock 4, rsync 8, sync 16 */
  uint64_t position;
  wit_string_t preopened; /* the name of a folder that was open from the start */
  /* The folder that is being listed, how many entries came out, and the one that did not fit. */
  bool listing, pending;
  wasi_filesystem_types_directory_entry_stream_t entries;
  uint64_t listed;
  wasi_filesystem_types_directory_entry_t entry;
} opened;

static opened *table;
static uint32_t count;

/* By the numbers that error codes and types of files have in WASI 0.2. */
static const uint8_t ERRNO[] = {2,  6,  7,  8,  10, 16, 19, 20, 22, 25, 26, 27, 28,
                                29, 31, 32, 34, 35, 37, 43, 44, 46, 48, 51, 54, 55,
                                56, 58, 59, 60, 61, 63, 64, 69, 70, 74, 75};
static const uint8_t TYPE[] = {UNKNOWN, 1, CHARACTER_DEVICE, DIRECTORY,
                               UNKNOWN, 7, REGULAR_FILE, 6};

static status errno_of(uint8_t code) { return code < sizeof ERRNO ? ERRNO[code] : IO; }

/* The result of a function that returns nothing but success or an error. */
#define DONE(result) ((result).is_err ? errno_of((result).val.err) : SUCCESS)
#define TRY(result) \
  if ((result).is_err) return errno_of((result).val.err)

static void start(void) {
  if (table) return;
  wit_list_wit_tuple2_wasi_filesystem_types_descriptor_string_t folders =
      wasi_filesystem_preopens_get_directories();
  table = wit_alloc(DESCRIPTORS_MAX * sizeof *table);
  __builtin_memset(table, 0, DESCRIPTORS_MAX * sizeof *table);
  for (; count < 3; count++) table[count] = (opened){.kind = STANDARD, .standard = count};
  for (size_t i = 0; i < folders.len && count < DESCRIPTORS_MAX; i++)
    table[count++] = (opened){.kind = FILE_OR_FOLDER, .handle = folders.ptr[i].f0,
                              .type = DIRECTORY, .preopened = folders.ptr[i].f1};
}

static opened *find(uint32_t fd) {
  start();
  return fd < count && table[fd].kind != CLOSED ? &table[fd] : 0;
}

/* A file or folder, or the errno that stands for its lack. */
#define FIND(name, fd)                                \
  opened *name = find(fd);                            \
  if (!name) return BADF;                             \
  if (name->kind != FILE_OR_FOLDER) return SPIPE
#define FOLDER(name, fd)                              \
  FIND(name, fd);                                     \
  if (name->type != DIRECTORY) return NOTDIR

static wit_string_t text_at(guest address, uint32_t length) {
  char *copy = wit_alloc(length);
  copy_in(copy, address, length);
  return (wit_string_t){copy, length};
}

static void forget_listing(opened *f) {
  if (f->listing) wasi_filesystem_types_directory_entry_stream_drop(f->entries);
  if (f->pending) wasi_filesystem_types_directory_entry_free(&f->entry);
  f->listing = f->pending = false;
  f->listed = 0;
}

/* Reading and writing. */

static status read_at(opened *f, guest vectors, uint32_t n, uint64_t *position, guest read) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < n; i++) {
    vector v = vector_at(vectors, i);
    while (v.length) {
      uint32_t wanted = v.length < PIECE ? v.length : PIECE;
      wit_result_wit_tuple2_wit_list_u8_bool_wasi_filesystem_types_error_code_t got =
          wasi_filesystem_types_method_descriptor_read(f->handle, wanted, *position);
      TRY(got);
      wit_list_u8_t bytes = got.val.ok.f0;
      copy_out(v.address, bytes.ptr, bytes.len);
      uint32_t length = bytes.len;
      wit_list_u8_free(&bytes);
      v.address += length;
      v.length -= length;
      total += length;
      *position += length;
      if (got.val.ok.f1 || !length) {
        store32(read, total);
        return SUCCESS;
      }
    }
  }
  store32(read, total);
  return SUCCESS;
}

static status write_at(opened *f, guest vectors, uint32_t n, uint64_t *position, guest written) {
  static uint8_t buffer[PIECE];
  uint32_t total = 0;
  for (uint32_t i = 0; i < n; i++) {
    vector v = vector_at(vectors, i);
    while (v.length) {
      uint32_t length = v.length < PIECE ? v.length : PIECE;
      copy_in(buffer, v.address, length);
      wit_result_u64_wasi_filesystem_types_error_code_t done =
          wasi_filesystem_types_method_descriptor_write(f->handle, (wit_list_u8_t){buffer, length},
                                                        *position);
      TRY(done);
      if (!done.val.ok) return IO;
      v.address += done.val.ok;
      v.length -= done.val.ok;
      total += done.val.ok;
      *position += done.val.ok;
    }
  }
  store32(written, total);
  return SUCCESS;
}

static status size_of(opened *f, uint64_t *size) {
  wit_result_wasi_filesystem_types_descriptor_stat_wasi_filesystem_types_error_code_t s =
      wasi_filesystem_types_method_descriptor_stat(f->handle);
  TRY(s);
  *size = s.val.ok.size;
  return SUCCESS;
}

EXPORT("fd_write") status fd_write(uint32_t fd, guest vectors, uint32_t n, guest written) {
  opened *f = find(fd);
  if (!f) return BADF;
  if (f->kind == STANDARD)
    return f->standard ? write_standard(f->standard, vectors, n, written) : BADF;
  if (f->type == DIRECTORY) return BADF;
  if (f->flags & 1) {
    status failed = size_of(f, &f->position);
    if (failed) return failed;
  }
  return write_at(f, vectors, n, &f->position, written);
}

EXPORT("fd_read") status fd_read(uint32_t fd, guest vectors, uint32_t n, guest read) {
  opened *f = find(fd);
  if (!f) return BADF;
  if (f->kind == STANDARD) return f->standard ? BADF : read_standard(vectors, n, read);
  if (f->type == DIRECTORY) return ISDIR;
  return read_at(f, vectors, n, &f->position, read);
}

EXPORT("fd_pread")
status fd_pread(uint32_t fd, guest vectors, uint32_t n, uint64_t position, guest read) {
  FIND(f, fd);
  return f->type == DIRECTORY ? ISDIR : read_at(f, vectors, n, &position, read);
}

EXPORT("fd_pwrite")
status fd_pwrite(uint32_t fd, guest vectors, uint32_t n, uint64_t position, guest written) {
  FIND(f, fd);
  return f->type == DIRECTORY ? ISDIR : write_at(f, vectors, n, &position, written);
}

EXPORT("fd_seek") status fd_seek(uint32_t fd, int64_t by, uint32_t whence, guest position) {
  FIND(f, fd);
  uint64_t from = whence == 1 ? f->position : 0;
  if (whence > 2) return INVAL;
  if (whence == 2) {
    status failed = size_of(f, &from);
    if (failed) return failed;
  }
  if (by < 0 && (uint64_t)-by > from) return INVAL;
  f->position = from + by;
  store64(position, f->position);
  return SUCCESS;
}

EXPORT("fd_tell") status fd_tell(uint32_t fd, guest position) {
  FIND(f, fd);
  store64(position, f->position);
  return SUCCESS;
}

/* What is known of a descriptor. */

typedef struct {
  uint8_t type;
  uint16_t flags;
  uint64_t rights, inherited;
} fdstat;

EXPORT("fd_fdstat_get") status fd_fdstat_get(uint32_t fd, guest to) {
  opened *f = find(fd);
  if (!f) return BADF;
  uint64_t every = (1 << 30) - 1;
  fdstat s = {f->type, f->flags, every, every};
  /* A terminal to C libraries, so that they print line by line. */
  if (f->kind == STANDARD)
    s = (fdstat){CHARACTER_DEVICE, f->flags, f->standard ? 1 << 6 : 1 << 1, 0};
  copy_out(to, &s, sizeof s);
  return SUCCESS;
}

EXPORT("fd_fdstat_set_flags") status fd_fdstat_set_flags(uint32_t fd, uint32_t flags) {
  opened *f = find(fd);
  if (!f) return BADF;
  f->flags = flags;
  return SUCCESS;
}

EXPORT("fd_fdstat_set_rights")
status fd_fdstat_set_rights(uint32_t fd, uint64_t rights, uint64_t inherited) {
  (void)rights, (void)inherited;
  return find(fd) ? SUCCESS : BADF;
}

EXPORT("fd_prestat_get") status fd_prestat_get(uint32_t fd, guest to) {
  opened *f = find(fd);
  if (!f || !f->preopened.ptr) return BADF;
  store32(to, 0);
  store32(to + 4, f->preopened.len);
  return SUCCESS;
}

EXPORT("fd_prestat_dir_name") status fd_prestat_dir_name(uint32_t fd, guest to, uint32_t length) {
  opened *f = find(fd);
  if (!f || !f->preopened.ptr) return BADF;
  copy_out(to, f->preopened.ptr, length < f->preopened.len ? length : f->preopened.len);
  return SUCCESS;
}

typedef struct {
  uint64_t device, node;
  uint8_t type;
  uint64_t links, size, accessed, modified, changed;
} filestat;

_Static_assert(sizeof(fdstat) == 24 && sizeof(filestat) == 64, "as preview 1 lays them out");

static uint64_t time_of(wit_option_wasi_clocks_wall_clock_datetime_t moment) {
  return moment.is_some ? moment.val.seconds * 1000000000 + moment.val.nanoseconds : 0;
}

static void store_stat(guest to, const stat_t *s, uint64_t node) {
  filestat p = {1, node, TYPE[s->type], s->link_count, s->size, time_of(s->data_access_timestamp),
                time_of(s->data_modification_timestamp), time_of(s->status_change_timestamp)};
  copy_out(to, &p, sizeof p);
}

EXPORT("fd_filestat_get") status fd_filestat_get(uint32_t fd, guest to) {
  opened *f = find(fd);
  if (!f) return BADF;
  if (f->kind == STANDARD) {
    filestat p = {.type = CHARACTER_DEVICE};
    copy_out(to, &p, sizeof p);
    return SUCCESS;
  }
  wit_result_wasi_filesystem_types_descriptor_stat_wasi_filesystem_types_error_code_t s =
      wasi_filesystem_types_method_descriptor_stat(f->handle);
  TRY(s);
  wit_result_wasi_filesystem_types_metadata_hash_value_wasi_filesystem_types_error_code_t hash =
      wasi_filesystem_types_method_descriptor_metadata_hash(f->handle);
  store_stat(to, &s.val.ok, hash.is_err ? 0 : hash.val.ok.lower);
  return SUCCESS;
}

EXPORT("path_filestat_get")
status path_filestat_get(uint32_t fd, uint32_t follow, guest path, uint32_t length, guest to) {
  FOLDER(f, fd);
  wit_string_t text = text_at(path, length);
  wit_result_wasi_filesystem_types_descriptor_stat_wasi_filesystem_types_error_code_t s =
      wasi_filesystem_types_method_descriptor_stat_at(f->handle, follow & 1, text);
  if (!s.is_err) {
    wit_result_wasi_filesystem_types_metadata_hash_value_wasi_filesystem_types_error_code_t hash =
        wasi_filesystem_types_method_descriptor_metadata_hash_at(f->handle, follow & 1, text);
    store_stat(to, &s.val.ok, hash.is_err ? 0 : hash.val.ok.lower);
  }
  wit_string_free(&text);
  return DONE(s);
}

EXPORT("fd_filestat_set_size") status fd_filestat_set_size(uint32_t fd, uint64_t size) {
  FIND(f, fd);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_set_size(f->handle, size);
  return DONE(done);
}

/* Of two bits the first says "to this moment", the second "to now". */
static new_time new_time_of(uint32_t flags, uint64_t moment) {
  if (flags & 2) return (new_time){.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW};
  if (!(flags & 1)) return (new_time){.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NO_CHANGE};
  return (new_time){.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP,
                    .val.timestamp = {moment / 1000000000, moment % 1000000000}};
}

EXPORT("fd_filestat_set_times")
status fd_filestat_set_times(uint32_t fd, uint64_t accessed, uint64_t modified, uint32_t flags) {
  FIND(f, fd);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_set_times(f->handle, new_time_of(flags, accessed),
                                                        new_time_of(flags >> 2, modified));
  return DONE(done);
}

EXPORT("path_filestat_set_times")
status path_filestat_set_times(uint32_t fd, uint32_t follow, guest path, uint32_t length,
                               uint64_t accessed, uint64_t modified, uint32_t flags) {
  FOLDER(f, fd);
  wit_string_t text = text_at(path, length);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_set_times_at(f->handle, follow & 1, text,
                                                           new_time_of(flags, accessed),
                                                           new_time_of(flags >> 2, modified));
  wit_string_free(&text);
  return DONE(done);
}

EXPORT("fd_advise") status fd_advise(uint32_t fd, uint64_t from, uint64_t length, uint32_t advice) {
  static const uint8_t ADVICE[] = {0, 1, 2, 3, 4, 5};
  FIND(f, fd);
  if (advice >= sizeof ADVICE) return INVAL;
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_advise(f->handle, from, length, ADVICE[advice]);
  return DONE(done);
}

EXPORT("fd_allocate") status fd_allocate(uint32_t fd, uint64_t from, uint64_t length) {
  (void)from, (void)length;
  FIND(f, fd);
  return NOTSUP;
}

EXPORT("fd_sync") status fd_sync(uint32_t fd) {
  FIND(f, fd);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_sync(f->handle);
  return DONE(done);
}

EXPORT("fd_datasync") status fd_datasync(uint32_t fd) {
  FIND(f, fd);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_sync_data(f->handle);
  return DONE(done);
}

EXPORT("fd_close") status fd_close(uint32_t fd) {
  opened *f = find(fd);
  if (!f) return BADF;
  forget_listing(f);
  if (f->kind == FILE_OR_FOLDER) wasi_filesystem_types_descriptor_drop(f->handle);
  wit_string_free(&f->preopened);
  *f = (opened){0};
  return SUCCESS;
}

EXPORT("fd_renumber") status fd_renumber(uint32_t from, uint32_t to) {
  opened *f = find(from), *t = find(to);
  if (!f || !t) return BADF;
  if (f == t) return SUCCESS;
  fd_close(to);
  *t = *f;
  *f = (opened){0};
  return SUCCESS;
}

/* Folders. */

typedef struct {
  uint64_t next, node;
  uint32_t length;
  uint8_t type;
} dirent_t;

/* Have the entry with number `cookie` at hand, or none at the end. */
static status entry_at(opened *f, uint64_t cookie, bool *end) {
  if (!f->listing || f->listed > cookie + f->pending) forget_listing(f);
  if (!f->listing) {
    wit_result_wasi_filesystem_types_directory_entry_stream_wasi_filesystem_types_error_code_t s =
        wasi_filesystem_types_method_descriptor_read_directory(f->handle);
    TRY(s);
    f->entries = s.val.ok;
    f->listing = true;
  }
  *end = false;
  while (!f->pending || f->listed != cookie + 1) {
    if (f->pending) wasi_filesystem_types_directory_entry_free(&f->entry);
    f->pending = false;
    wit_result_wit_option_wasi_filesystem_types_directory_entry_wasi_filesystem_types_error_code_t
        next = wasi_filesystem_types_method_directory_entry_stream_read_directory_entry(f->entries);
    TRY(next);
    if (!next.val.ok.is_some) {
      *end = true;
      return SUCCESS;
    }
    f->entry = next.val.ok.val;
    f->pending = true;
    f->listed++;
  }
  return SUCCESS;
}

EXPORT("fd_readdir")
status fd_readdir(uint32_t fd, guest to, uint32_t size, uint64_t cookie, guest used) {
  FOLDER(f, fd);
  uint32_t filled = 0;
  while (filled < size) {
    bool end;
    status failed = entry_at(f, cookie, &end);
    if (failed) return failed;
    if (end) break;
    wit_string_t name = f->entry.name;
    dirent_t d = {++cookie, 0, name.len, TYPE[f->entry.type]};
    uint32_t left = size - filled, head = left < sizeof d ? left : sizeof d;
    copy_out(to + filled, &d, head);
    filled += head;
    /* What does not fit is cut off, and asked for again by its number. */
    left = size - filled;
    uint32_t length = left < name.len ? left : name.len;
    copy_out(to + filled, name.ptr, length);
    filled += length;
  }
  store32(used, filled);
  return SUCCESS;
}

static status add(opened new, guest made) {
  uint32_t fd = 3;
  while (fd < count && table[fd].kind != CLOSED) fd++;
  if (fd == DESCRIPTORS_MAX) {
    wasi_filesystem_types_descriptor_drop(new.handle);
    return MFILE;
  }
  if (fd == count) count++;
  table[fd] = new;
  store32(made, fd);
  return SUCCESS;
}

EXPORT("path_open")
status path_open(uint32_t fd, uint32_t follow, guest path, uint32_t length, uint32_t how,
                 uint64_t rights, uint64_t inherited, uint32_t flags, guest made) {
  (void)inherited;
  FOLDER(f, fd);
  /* Rights that read: fd_read, fd_readdir; that write: fd_write, fd_allocate, set_size. */
  uint8_t access = 0;
  if (rights & (1u << 1 | 1u << 14)) access |= WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ;
  if (rights & (1u << 6 | 1u << 8 | 1u << 22))
    access |= WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE;
  if (flags & 2) access |= WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_DATA_INTEGRITY_SYNC;
  if (flags & 8) access |= WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_REQUESTED_WRITE_SYNC;
  if (flags & 16) access |= WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_FILE_INTEGRITY_SYNC;
  /* A folder can be opened for reading alone, whatever rights come with it. */
  if (how & 2) access &= ~WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE;
  wit_string_t text = text_at(path, length);
  wit_result_wasi_filesystem_types_descriptor_wasi_filesystem_types_error_code_t got =
      wasi_filesystem_types_method_descriptor_open_at(f->handle, follow & 1, text, how & 15,
                                                      access);
  if (got.is_err && errno_of(got.val.err) == ISDIR && !(how & 13))
    got = wasi_filesystem_types_method_descriptor_open_at(
        f->handle, follow & 1, text, how & 15,
        access & ~WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE);
  wit_string_free(&text);
  TRY(got);
  wit_result_wasi_filesystem_types_descriptor_type_wasi_filesystem_types_error_code_t type =
      wasi_filesystem_types_method_descriptor_get_type(got.val.ok);
  uint8_t kind = type.is_err ? UNKNOWN : TYPE[type.val.ok];
  return add((opened){.kind = FILE_OR_FOLDER, .handle = got.val.ok, .type = kind, .flags = flags},
             made);
}

#define WITH_PATH(name, call)                                         \
  EXPORT(name) status PATH_FUNCTION(uint32_t fd, guest path, uint32_t length) { \
    FOLDER(f, fd);                                                    \
    wit_string_t text = text_at(path, length);                        \
    wit_result_void_wasi_filesystem_types_error_code_t done = call(f->handle, text); \
    wit_string_free(&text);                                           \
    return DONE(done);                                                \
  }

#define PATH_FUNCTION path_create_directory
WITH_PATH("path_create_directory", wasi_filesystem_types_method_descriptor_create_directory_at)
#undef PATH_FUNCTION
#define PATH_FUNCTION path_remove_directory
WITH_PATH("path_remove_directory", wasi_filesystem_types_method_descriptor_remove_directory_at)
#undef PATH_FUNCTION
#define PATH_FUNCTION path_unlink_file
WITH_PATH("path_unlink_file", wasi_filesystem_types_method_descriptor_unlink_file_at)
#undef PATH_FUNCTION

EXPORT("path_readlink")
status path_readlink(uint32_t fd, guest path, uint32_t length, guest to, uint32_t size,
                     guest used) {
  FOLDER(f, fd);
  wit_string_t text = text_at(path, length);
  wit_result_string_wasi_filesystem_types_error_code_t got =
      wasi_filesystem_types_method_descriptor_readlink_at(f->handle, text);
  wit_string_free(&text);
  TRY(got);
  uint32_t taken = got.val.ok.len < size ? got.val.ok.len : size;
  copy_out(to, got.val.ok.ptr, taken);
  store32(used, taken);
  wit_string_free(&got.val.ok);
  return SUCCESS;
}

EXPORT("path_rename")
status path_rename(uint32_t fd, guest path, uint32_t length, uint32_t new_fd, guest new_path,
                   uint32_t new_length) {
  FOLDER(f, fd);
  FOLDER(g, new_fd);
  wit_string_t from = text_at(path, length), to = text_at(new_path, new_length);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_rename_at(f->handle, from, g->handle, to);
  wit_string_free(&from);
  wit_string_free(&to);
  return DONE(done);
}

EXPORT("path_link")
status path_link(uint32_t fd, uint32_t follow, guest path, uint32_t length, uint32_t new_fd,
                 guest new_path, uint32_t new_length) {
  FOLDER(f, fd);
  FOLDER(g, new_fd);
  wit_string_t from = text_at(path, length), to = text_at(new_path, new_length);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_link_at(f->handle, follow & 1, from, g->handle, to);
  wit_string_free(&from);
  wit_string_free(&to);
  return DONE(done);
}

EXPORT("path_symlink")
status path_symlink(guest path, uint32_t length, uint32_t fd, guest new_path, uint32_t new_length) {
  FOLDER(f, fd);
  wit_string_t from = text_at(path, length), to = text_at(new_path, new_length);
  wit_result_void_wasi_filesystem_types_error_code_t done =
      wasi_filesystem_types_method_descriptor_symlink_at(f->handle, from, to);
  wit_string_free(&from);
  wit_string_free(&to);
  return DONE(done);
}
