package meta_test

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/broker/meta"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, fsys vfs.FS, snapshotEntries uint64) *meta.Node {
	t.Helper()
	n, err := meta.Open(meta.Config{ID: 1, Voters: []uint64{1}, FS: fsys, Dir: "meta", SnapshotEntries: snapshotEntries})
	require.NoError(t, err)
	return n
}

func propose(t testing.TB, n *meta.Node, records ...meta.Record) {
	t.Helper()
	require.NoError(t, n.Update(context.Background(), func(*meta.Image) ([]meta.Record, error) { return records, nil }))
}

func topic(name string, partitions int) meta.Record {
	r := &meta.TopicRecord{Name: name, ID: meta.NewID()}
	for range partitions {
		r.Partitions = append(r.Partitions, meta.Partition{Replicas: []int32{1}, ISR: []int32{1}, Leader: 1})
	}
	return meta.Record{Topic: r}
}

// dump is an image as comparable text.
func dump(t testing.TB, img *meta.Image) string {
	t.Helper()
	b, err := json.Marshal(img.Records())
	require.NoError(t, err)
	return string(b)
}

func TestChangesSurviveRestart(t *testing.T) {
	fsys := vfs.NewMem()
	n := open(t, fsys, 0)
	propose(t, n, meta.Record{Cluster: &meta.ClusterRecord{ID: "cluster"}}, topic("a", 2))
	propose(t, n, topic("b", 1), meta.Record{Feature: &meta.FeatureRecord{Name: "transaction.version", Level: 2}})
	value := "compact"
	propose(t, n, meta.Record{Config: &meta.ConfigRecord{Resource: meta.TopicResource, Name: "a", Key: "cleanup.policy", Value: &value}})
	propose(t, n, meta.Record{ProducerIDs: &meta.ProducerIDsRecord{Next: 1000}})
	propose(t, n, meta.Record{RemoveTopic: &meta.RemoveTopicRecord{ID: n.Image().Topic("b").ID}})
	want := dump(t, n.Image())
	term := n.Term()
	require.NoError(t, n.Close())

	n = open(t, fsys, 0)
	require.Equal(t, want, dump(t, n.Image()))
	require.Greater(t, n.Term(), term)
	require.Nil(t, n.Image().Topic("b"))
	require.EqualValues(t, 1000, n.Image().NextProducerID)
	require.NoError(t, n.Close())
}

func TestRefusedChangesLeaveNoTrace(t *testing.T) {
	fsys := vfs.NewMem()
	n := open(t, fsys, 0)
	propose(t, n, topic("a", 1))
	want := dump(t, n.Image())
	refused := errors.New("no")
	ctx := t.Context()
	require.ErrorIs(t, n.Update(ctx, func(*meta.Image) ([]meta.Record, error) { return nil, refused }), refused)
	require.ErrorIs(t, n.Update(ctx, func(*meta.Image) ([]meta.Record, error) {
		return []meta.Record{topic("b", 1), {RemoveTopic: &meta.RemoveTopicRecord{ID: meta.NewID()}}}, nil
	}), meta.ErrNoTopic)
	require.Error(t, n.Update(ctx, func(*meta.Image) ([]meta.Record, error) { return []meta.Record{{}}, nil }))
	require.Equal(t, want, dump(t, n.Image()))
	require.NoError(t, n.Close())
	n = open(t, fsys, 0)
	require.Equal(t, want, dump(t, n.Image()))
	require.NoError(t, n.Close())
	require.ErrorIs(t, n.Update(ctx, func(*meta.Image) ([]meta.Record, error) { return nil, nil }), meta.ErrClosed)
}

func TestSnapshotsKeepTheLogShort(t *testing.T) {
	fsys := vfs.NewMem()
	n := open(t, fsys, 10)
	for i := range 100 {
		propose(t, n, topic(fmt.Sprint("topic", i), 1))
	}
	want := dump(t, n.Image())
	require.NoError(t, n.Close())
	b, err := vfs.ReadFile(fsys, "meta/log", 1<<20)
	require.NoError(t, err)
	require.Less(t, len(b), 20*300, "the log holds about the last ten entries")
	n = open(t, fsys, 10)
	require.Equal(t, want, dump(t, n.Image()))
	propose(t, n, topic("one more", 1))
	require.NoError(t, n.Close())
}

// A published image never changes, whatever is applied after it.
func TestImagesAreImmutable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		img := meta.NewImage()
		type version struct {
			img  *meta.Image
			dump string
		}
		var versions []version
		for i := range rapid.IntRange(1, 30).Draw(rt, "changes") {
			name := fmt.Sprint("t", rapid.IntRange(0, 5).Draw(rt, "topic"))
			var r meta.Record
			switch old := img.Topic(name); {
			case old == nil:
				r = topic(name, rapid.IntRange(1, 3).Draw(rt, "partitions"))
			case rapid.Bool().Draw(rt, "remove"):
				r = meta.Record{RemoveTopic: &meta.RemoveTopicRecord{ID: old.ID}}
			case rapid.Bool().Draw(rt, "config"):
				v := fmt.Sprint(i)
				r = meta.Record{Config: &meta.ConfigRecord{Resource: meta.TopicResource, Name: name, Key: "retention.ms", Value: &v}}
			default:
				r = meta.Record{Partition: &meta.PartitionRecord{Topic: old.ID, Index: int32(len(old.Partitions)), Partition: old.Partitions[0]}}
			}
			next, err := img.Apply(uint64(i), []meta.Record{r})
			require.NoError(rt, err)
			img = next
			versions = append(versions, version{img, dump(t, img)})
		}
		for _, v := range versions {
			require.Equal(rt, v.dump, dump(t, v.img))
			again, err := meta.NewImage().Apply(v.img.Index, v.img.Records())
			require.NoError(rt, err)
			require.Equal(rt, v.dump, dump(t, again), "a snapshot rebuilds the image")
		}
	})
}

// What Update confirmed survives the loss of everything unsynced, at whatever
// file operation the disk fails.
func TestPowerLoss(t *testing.T) {
	for seed := range uint64(60) {
		disk := vfs.NewFault()
		r := rand.New(rand.NewPCG(seed, 1))
		confirmed := map[string]bool{}
		for life := range 3 {
			left := r.IntN(60) + 15
			cut := errors.New("power cut")
			disk.Inject(nil)
			n := open(t, disk, 8)
			for name := range confirmed {
				require.NotNil(t, n.Image().Topic(name), "seed %d: %s was confirmed", seed, name)
			}
			disk.Inject(func(vfs.Op) (int, error) {
				if left--; left < 0 {
					return 0, cut
				}
				return 0, nil
			})
			for i := range 20 {
				name := fmt.Sprintf("t%d-%d", life, i)
				err := n.Update(t.Context(), func(*meta.Image) ([]meta.Record, error) {
					return []meta.Record{topic(name, 1)}, nil
				})
				if err != nil {
					break
				}
				confirmed[name] = true
			}
			_ = n.Close()
			disk.Crash(r)
		}
	}
}

func TestDamageInTheMiddleIsReported(t *testing.T) {
	fsys := vfs.NewMem()
	n := open(t, fsys, 0)
	for i := range 10 {
		propose(t, n, topic(fmt.Sprint("topic", i), 1))
	}
	require.NoError(t, n.Close())
	f, err := fsys.Open("meta/log", 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff}, 100)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = meta.Open(meta.Config{ID: 1, Voters: []uint64{1}, FS: fsys, Dir: "meta"})
	require.ErrorContains(t, err, "restore the metadata directory")
}

func TestTopicConfigs(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		ok    bool
	}{
		"retention.ms":                   {"-1", true},
		"retention.bytes":                {"-2", false},
		"cleanup.policy":                 {"compact, delete", true},
		"compression.type":               {"brotli", false},
		"preallocate":                    {"maybe", false},
		"min.cleanable.dirty.ratio":      {"0.3", true},
		"max.message.bytes":              {"9999999999", false},
		"message.timestamp.type":         {"LogAppendTime", true},
		"unclean.leader.election.enable": {"true", true},
	} {
		require.Equal(t, c.ok, meta.CheckTopicConfig(name, c.value) == nil, "%s=%s", name, c.value)
	}
	require.ErrorIs(t, meta.CheckTopicConfig("no.such", "1"), meta.ErrUnknownConfig)
	for _, def := range meta.TopicConfigs() {
		require.NoError(t, meta.CheckTopicConfig(def.Name, def.Default), "the default of %s", def.Name)
	}
	e := meta.EffectiveConfigs(map[string]string{"retention.ms": "1"}, map[string]string{"retention.ms": "2", "segment.bytes": "3"})
	require.EqualValues(t, 1, e.Int("retention.ms"))
	require.EqualValues(t, 3, e.Int("segment.bytes"))
	require.Equal(t, "producer", e.String("compression.type"))
}

func TestIDText(t *testing.T) {
	for range 100 {
		id := meta.NewID()
		text, err := id.MarshalText()
		require.NoError(t, err)
		var back meta.ID
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, id, back)
		require.False(t, id.IsZero())
	}
	require.Error(t, new(meta.ID).UnmarshalText([]byte("short")))
}
