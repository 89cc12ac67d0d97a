//go:build interop

// Package interop runs other people's clients against the bundled broker.
package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker"
)

// serve starts a broker on disk and gives its address.
func serve(t *testing.T) string {
	t.Helper()
	cluster, err := broker.StartEmbedded(context.Background(), broker.Config{DataDir: t.TempDir(), DefaultPartitions: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Close()) })
	return cluster.Addrs()[0]
}

// tool runs a program that must succeed, and gives its standard output.
func tool(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	require.NoError(t, cmd.Run(), "%s %s\n%s%s", name, strings.Join(args, " "), out.String(), errs.String())
	return out.String()
}

// numbered is n lines "key-i:value-i".
func numbered(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "key-%d:value-%d\n", i, i)
	}
	return out.String()
}

// sameLines compares lines whatever their order: partitions are read in any.
func sameLines(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	slices.Sort(w)
	slices.Sort(g)
	require.True(t, slices.Equal(w, g), "%d lines instead of %d:\n%.2000s", len(g), len(w), got)
}

// kcat is librdkafka: every codec it has, transactions off, groups.
func TestInteropKcat(t *testing.T) {
	_, err := exec.LookPath("kcat")
	require.NoError(t, err, "type: apt-get install -y kcat")
	addr := serve(t)
	records := numbered(1000)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		topic := "kcat-" + codec
		tool(t, records, "kcat", "-b", addr, "-P", "-t", topic, "-K", ":", "-z", codec, "-X", "enable.idempotence=true", "-H", "source=kcat")
		got := tool(t, "", "kcat", "-b", addr, "-C", "-t", topic, "-e", "-q", "-f", "%k:%s\\n")
		sameLines(t, records, got)
		require.Contains(t, tool(t, "", "kcat", "-b", addr, "-C", "-t", topic, "-o", "beginning", "-c", "1", "-q", "-f", "%h"), "source=kcat")
	}
	require.Contains(t, tool(t, "", "kcat", "-b", addr, "-L"), `topic "kcat-gzip" with 4 partitions`)

	group := []string{"-b", addr, "-G", "kcat-group", "-e", "-q", "-f", "%k:%s\\n", "-X", "auto.offset.reset=earliest", "kcat-none"}
	sameLines(t, records, tool(t, "", "kcat", group...))
	require.Empty(t, tool(t, "", "kcat", group...), "the group goes on where it stopped")
}

// Kafka's own tools: the Java producer, consumer and admin client.
func TestInteropJava(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	jars := strings.TrimSpace(tool(t, "", filepath.Join(root, "build", "kafka"), "jars"))
	if !filepath.IsAbs(jars) {
		jars = filepath.Join(root, jars)
	}
	config := filepath.Join(t.TempDir(), "log4j2.properties")
	require.NoError(t, os.WriteFile(config, []byte("status = error\nrootLogger.level = OFF\n"), 0o644))
	java := func(stdin, class string, args ...string) string {
		return tool(t, stdin, "java", append([]string{"-cp", jars + "/*", "-Dlog4j2.configurationFile=" + config, class}, args...)...)
	}
	addr := serve(t)
	server := []string{"--bootstrap-server", addr}

	java("", "org.apache.kafka.tools.TopicCommand", append(server, "--create", "--topic", "java", "--partitions", "3", "--config", "retention.ms=86400000")...)
	require.Contains(t, java("", "org.apache.kafka.tools.TopicCommand", append(server, "--describe", "--topic", "java")...), "PartitionCount: 3")
	require.Contains(t, java("", "kafka.admin.ConfigCommand", append(server, "--describe", "--entity-type", "topics", "--entity-name", "java")...), "retention.ms=86400000")

	records := numbered(500)
	java(records, "org.apache.kafka.tools.ConsoleProducer", append(server, "--topic", "java", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:", "--compression-codec", "zstd")...)
	got := java("", "org.apache.kafka.tools.consumer.ConsoleConsumer", append(server, "--topic", "java", "--from-beginning", "--max-messages", "500", "--group", "java-group",
		"--formatter-property", "print.key=true", "--formatter-property", "key.separator=:", "--command-property", "isolation.level=read_committed")...)
	sameLines(t, records, got)
	require.Contains(t, java("", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", append(server, "--describe", "--group", "java-group")...), "java-group")

	java("", "org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", addr, "--input-topic", "java", "--input-partition", "0", "--output-topic", "copy",
		"--max-messages", "-1", "--consumer-group", "copier", "--transactional-id", "copier", "--transaction-size", "20", "--group-mode", "--use-group-metadata")
	sameLines(t, tool(t, "", "kcat", "-b", addr, "-C", "-t", "java", "-e", "-q", "-f", "%k:%s\\n"),
		tool(t, "", "kcat", "-b", addr, "-C", "-t", "copy", "-e", "-q", "-f", "%k:%s\\n", "-X", "isolation.level=read_committed"))
	java("", "org.apache.kafka.tools.TopicCommand", append(server, "--delete", "--topic", "java")...)
}
