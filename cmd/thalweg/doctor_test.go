package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRocksFindings(t *testing.T) {
	headers := func(version string) []string {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "rocksdb"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "rocksdb", "version.h"), []byte(version), 0o644))
		return []string{filepath.Join(dir, "absent"), dir}
	}
	seven := rocksFindings(headers("#pragma once\n#define ROCKSDB_MAJOR 7\n#define ROCKSDB_MINOR 8\n#define ROCKSDB_PATCH 3\n#define __ROCKSDB_MAJOR__ ROCKSDB_MAJOR\n"))
	require.Len(t, seven, 2)
	require.True(t, seven[0].OK && seven[1].OK)
	require.Contains(t, seven[0].Found, "7.8.3")

	eight := rocksFindings(headers("#define ROCKSDB_MAJOR 8\n#define ROCKSDB_MINOR 9\n#define ROCKSDB_PATCH 1\n"))
	require.True(t, eight[0].OK)
	require.False(t, eight[1].OK)
	require.Equal(t, "go get github.com/linxGnu/grocksdb@v1.8.11", eight[1].Fix)

	six := rocksFindings(headers("#define ROCKSDB_MAJOR 6\n#define ROCKSDB_MINOR 11\n#define ROCKSDB_PATCH 4\n"))
	require.False(t, six[1].OK)
	require.Contains(t, six[1].Found, "Pebble")

	none := rocksFindings([]string{t.TempDir()})
	require.Len(t, none, 1)
	require.False(t, none[0].OK)
	require.Contains(t, none[0].Fix, "librocksdb-dev")
}

func TestNewEnough(t *testing.T) {
	for version, want := range map[string]bool{"go1.27.4": true, "go1.30": true, "go1.26.8": false, "go1.21": false, "devel": false} {
		require.Equal(t, want, newEnough(version), version)
	}
}
