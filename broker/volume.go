package broker

import "golang.org/x/sys/unix"

// volumeSize returns the size of the volume that dir lies on and how much of it
// may still be used, -1 where that is unknown.
func volumeSize(dir string) (total, usable int64) {
	var st unix.Statfs_t
	if dir == "" || unix.Statfs(dir, &st) != nil {
		return -1, -1
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize)
}
