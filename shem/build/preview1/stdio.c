/* Descriptors where there are no files: the three standard streams. */

#include "adapter.h"

typedef struct {
  uint8_t type;
  uint16_t flags;
  uint64_t rights, inherited;
} fdstat;

EXPORT("fd_write")
status fd_write(uint32_t fd, guest vectors, uint32_t count, guest written) {
  return fd == 1 || fd == 2 ? write_standard(fd, vectors, count, written) : BADF;
}

EXPORT("fd_read") status fd_read(uint32_t fd, guest vectors, uint32_t count, guest read) {
  return fd == 0 ? read_standard(vectors, count, read) : BADF;
}

EXPORT("fd_close") status fd_close(uint32_t fd) { return fd < 3 ? SUCCESS : BADF; }

EXPORT("fd_seek") status fd_seek(uint32_t fd, int64_t by, uint32_t whence, guest position) {
  (void)by, (void)whence, (void)position;
  return fd < 3 ? SPIPE : BADF;
}

EXPORT("fd_fdstat_get") status fd_fdstat_get(uint32_t fd, guest to) {
  if (fd > 2) return BADF;
  /* A terminal to C libraries, so that they print line by line. */
  fdstat s = {CHARACTER_DEVICE, 0, fd == 0 ? 1 << 1 : 1 << 6, 0};
  copy_out(to, &s, sizeof s);
  return SUCCESS;
}

EXPORT("fd_fdstat_set_flags") status fd_fdstat_set_flags(uint32_t fd, uint32_t flags) {
  (void)flags;
  return fd < 3 ? SUCCESS : BADF;
}

EXPORT("fd_prestat_get") status fd_prestat_get(uint32_t fd, guest to) {
  (void)fd, (void)to;
  return BADF;
}

EXPORT("fd_prestat_dir_name")
status fd_prestat_dir_name(uint32_t fd, guest to, uint32_t length) {
  (void)fd, (void)to, (void)length;
  return BADF;
}
