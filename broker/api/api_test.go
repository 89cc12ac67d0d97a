package api_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/api"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The advertised versions are a promise to clients; this pins them.
func TestAdvertisedVersions(t *testing.T) {
	want := map[int16][2]int16{
		0: {0, 13}, 1: {4, 18}, 2: {1, 11}, 3: {0, 13}, 8: {2, 10}, 9: {1, 10}, 10: {0, 6}, 11: {0, 9}, 12: {0, 4},
		13: {0, 5}, 14: {0, 5}, 15: {0, 6}, 16: {0, 5}, 18: {0, 5}, 19: {2, 7}, 20: {1, 6}, 21: {0, 2}, 22: {0, 5},
		23: {2, 4}, 24: {0, 5}, 25: {0, 4}, 26: {0, 5}, 27: {1, 2}, 28: {0, 6}, 29: {1, 3}, 30: {1, 3}, 31: {1, 3},
		32: {1, 4}, 33: {0, 2}, 35: {1, 5}, 37: {0, 3}, 42: {0, 3}, 43: {0, 2}, 44: {0, 1}, 45: {0, 1}, 46: {0, 0}, 47: {0, 0},
		48: {0, 1}, 55: {0, 2}, 60: {0, 2}, 61: {0, 0}, 65: {0, 0}, 66: {0, 2}, 74: {0, 1}, 75: {0, 0},
	}
	got := map[int16][2]int16{}
	for _, s := range api.Specs() {
		got[s.Key.Int16()] = [2]int16{s.Min, s.Max}
	}
	require.Equal(t, want, got)
}

func TestSpecsAgreeWithKmsg(t *testing.T) {
	for _, s := range api.Specs() {
		for v := s.Min; v <= s.Max; v++ {
			req := kmsg.RequestForKey(s.Key.Int16())
			req.SetVersion(v)
			require.Equal(t, req.IsFlexible(), s.IsFlexible(v), "%s v%d", s.Key.Name(), v)
		}
	}
}

func TestLookupOfUnservedKeys(t *testing.T) {
	for _, key := range []int16{-1, -32768, 4, 7, 58, 71, 76, 200, 32767} {
		require.Nil(t, api.Lookup(key))
	}
}

// fill sets every field of v to something random.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[kmsg.Tags]() {
			if r.IntN(4) == 0 {
				v.Addr().Interface().(*kmsg.Tags).Set(uint32(100+r.IntN(100)), []byte("tag"))
			}
			return
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && v.Type().Field(i).Name != "Version" {
				fill(r, f)
			}
		}
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), r.IntN(4), 4)
		for i := range s.Len() {
			fill(r, s.Index(i))
		}
		v.Set(s)
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text", r.IntN(1000)))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.IntN(100)))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(r.IntN(100)))
	}
}

func randomBody(r *rand.Rand, s *api.Spec, version int16) (kmsg.Request, []byte) {
	req := kmsg.RequestForKey(s.Key.Int16())
	req.SetVersion(version)
	fill(r, reflect.ValueOf(req).Elem())
	req.SetVersion(version)
	return req, req.AppendTo(nil)
}

// Whatever kmsg encodes passes the check, and nothing less.
func TestSchemasAgreeWithKmsg(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range api.Specs() {
		s := &api.Specs()[i]
		if s.Key == kmsg.Produce || s.Key == kmsg.Fetch {
			continue
		}
		for v := s.First; v <= s.Max; v++ {
			for range 50 {
				req, body := randomBody(r, s, v)
				require.NoError(t, s.Check(v, body), "%s v%d %+v", s.Key.Name(), v, req)
				if len(body) > 0 {
					require.ErrorIs(t, s.Check(v, body[:len(body)-1]), api.ErrMalformed, "%s v%d cut", s.Key.Name(), v)
				}
				require.NoError(t, s.Check(v, append(body, 0)), "%s v%d with a byte that nobody reads", s.Key.Name(), v)
			}
		}
	}
}

// Bodies made to be expensive are refused, or cost what the budget allows.
func TestDecodeBudget(t *testing.T) {
	for i := range api.Specs() {
		s := &api.Specs()[i]
		if s.Key == kmsg.Produce || s.Key == kmsg.Fetch {
			continue
		}
		for v := s.First; v <= s.Max; v++ {
			for _, fillByte := range []byte{0, 1, 2, 0xff} {
				body := bytes.Repeat([]byte{fillByte}, 256<<10)
				body[0], body[1], body[2] = 0x80, 0x80, 0x10 // an array of 256k
				requireAffordable(t, s, v, body)
				copy(body, []byte{0, 4, 0, 0})
				requireAffordable(t, s, v, body)
			}
		}
	}
}

func requireAffordable(t *testing.T, s *api.Spec, v int16, body []byte) {
	t.Helper()
	if s.Check(v, body) != nil {
		return
	}
	req := kmsg.RequestForKey(s.Key.Int16())
	req.SetVersion(v)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_ = req.ReadFrom(body) // may refuse, for instance a null that is not allowed
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(24*len(body)), "%s v%d", s.Key.Name(), v)
}

func TestProduceAgreesWithKmsg(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	spec := api.Lookup(0)
	var got api.ProduceRequest
	for v := spec.First; v <= spec.Max; v++ {
		for range 100 {
			req, body := randomBody(r, spec, v)
			want := req.(*kmsg.ProduceRequest)
			require.NoError(t, got.Decode(v, body))
			require.Equal(t, want.Acks, got.Acks)
			require.Equal(t, want.TimeoutMillis, got.TimeoutMillis)
			require.Equal(t, want.TransactionID == nil, got.TransactionID == nil)
			require.Len(t, got.Topics, len(want.Topics))
			resp := kmsg.NewPtrProduceResponse()
			for i, wt := range want.Topics {
				gt := got.Topics[i]
				if v >= 13 {
					require.Equal(t, wt.TopicID, gt.ID)
				} else {
					require.Equal(t, wt.Topic, string(gt.Name))
				}
				parts := got.Partitions[gt.First:gt.End]
				require.Len(t, parts, len(wt.Partitions))
				rt := kmsg.NewProduceResponseTopic()
				rt.Topic, rt.TopicID = wt.Topic, wt.TopicID
				for j, wp := range wt.Partitions {
					require.Equal(t, wp.Partition, parts[j].Index)
					require.Equal(t, len(wp.Records), len(parts[j].Records))
					rt.Partitions = append(rt.Partitions, produceResult(r, v, &parts[j]))
				}
				resp.Topics = append(resp.Topics, rt)
			}
			resp.SetVersion(v)
			require.Equal(t, resp.AppendTo(nil), got.AppendResponse(nil, nil), "response v%d", v)
		}
	}
}

// produceResult invents a result, for our encoder and for kmsg's.
func produceResult(r *rand.Rand, version int16, p *api.ProducePartition) kmsg.ProduceResponseTopicPartition {
	p.Result = api.ProduceResult{
		ErrorCode: int16(r.IntN(100)), BaseOffset: r.Int64(), LogAppendTime: -1, LogStartOffset: r.Int64(), LeaderID: -1,
	}
	k := kmsg.NewProduceResponseTopicPartition()
	k.Partition, k.ErrorCode, k.BaseOffset = p.Index, p.Result.ErrorCode, p.Result.BaseOffset
	k.LogAppendTime, k.LogStartOffset = -1, p.Result.LogStartOffset
	if r.IntN(2) == 0 {
		p.Result.ErrorMessage = "reason"
		k.ErrorMessage = kmsg.StringPtr("reason")
		p.Result.RecordErrors = []api.RecordError{{Index: 3, Message: "why"}}
		e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		e.RelativeOffset, e.ErrorMessage = 3, kmsg.StringPtr("why")
		k.ErrorRecords = append(k.ErrorRecords, e)
	}
	if version >= 10 && r.IntN(2) == 0 {
		p.Result.LeaderID, p.Result.LeaderEpoch = 7, 8
		k.CurrentLeader.LeaderID, k.CurrentLeader.LeaderEpoch = 7, 8
	}
	return k
}

func TestFetchAgreesWithKmsg(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	spec := api.Lookup(1)
	var got api.FetchRequest
	for v := spec.First; v <= spec.Max; v++ {
		for range 100 {
			req, body := randomBody(r, spec, v)
			want := req.(*kmsg.FetchRequest)
			require.NoError(t, got.Decode(v, body))
			require.Equal(t, want.MaxWaitMillis, got.MaxWaitMillis)
			require.Equal(t, want.MinBytes, got.MinBytes)
			require.Equal(t, want.MaxBytes, got.MaxBytes)
			require.Equal(t, want.IsolationLevel == 1, got.ReadCommitted)
			if v >= 7 {
				require.Equal(t, want.SessionID, got.SessionID)
				require.Equal(t, want.SessionEpoch, got.SessionEpoch)
				require.Len(t, got.Forgotten, len(want.ForgottenTopics))
				for i, wf := range want.ForgottenTopics {
					gf := got.Forgotten[i]
					require.True(t, slices.Equal(wf.Partitions, got.ForgottenPart[gf.First:gf.End]))
				}
			}
			if v >= 15 {
				require.Equal(t, want.ReplicaState.ID, got.ReplicaID)
			} else {
				require.Equal(t, want.ReplicaID, got.ReplicaID)
			}
			require.Len(t, got.Topics, len(want.Topics))
			for i, wt := range want.Topics {
				gt := got.Topics[i]
				require.Equal(t, v < 13, string(gt.Name) == wt.Topic && wt.Topic != "")
				for j, wp := range wt.Partitions {
					gp := got.Partitions[gt.First+j]
					require.Equal(t, wp.Partition, gp.Index)
					require.Equal(t, wp.FetchOffset, gp.FetchOffset)
					require.Equal(t, wp.PartitionMaxBytes, gp.MaxBytes)
				}
			}
		}
	}
}

func TestFetchResponseAgreesWithKmsg(t *testing.T) {
	spec := api.Lookup(1)
	for v := spec.Min; v <= spec.Max; v++ {
		want := kmsg.NewPtrFetchResponse()
		want.SetVersion(v)
		want.ErrorCode, want.SessionID = 0, 77
		if v < 7 {
			want.SessionID = 0
		}
		kt := kmsg.NewFetchResponseTopic()
		kt.Topic, kt.TopicID = "topic", [16]byte{1, 2, 3}
		var e api.FetchResponse
		e.Begin(nil, v, 0, 77, 1)
		e.Topic("topic", kt.TopicID, 2)
		var wire []byte
		cut := 0
		for i := range int32(2) {
			res := api.FetchResult{
				Index: i, ErrorCode: int16(i), HighWatermark: 10, LastStable: 9, LogStartOffset: 1,
				ReadCommitted: i == 0, Records: []byte("records"), DivergingEpoch: -1, LeaderID: -1,
			}
			kp := kmsg.NewFetchResponseTopicPartition()
			kp.Partition, kp.ErrorCode, kp.HighWatermark, kp.LastStableOffset, kp.LogStartOffset = i, int16(i), 10, 9, 1
			kp.RecordBatches = []byte("records")
			if i == 0 {
				res.Aborted = []api.AbortedTxn{{ProducerID: 4, FirstOffset: 5}}
				a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
				a.ProducerID, a.FirstOffset = 4, 5
				kp.AbortedTransactions = append(kp.AbortedTransactions, a)
			} else {
				res.DivergingEpoch, res.DivergingEnd, res.LeaderID, res.LeaderEpoch = 2, 3, 4, 5
				kp.DivergingEpoch.Epoch, kp.DivergingEpoch.EndOffset = 2, 3
				kp.CurrentLeader.LeaderID, kp.CurrentLeader.LeaderEpoch = 4, 5
			}
			e.Partition(&res)
			wire = append(append(wire, e.Bytes()[cut:]...), res.Records...)
			cut = len(e.Bytes())
			e.EndPartition(&res)
			kt.Partitions = append(kt.Partitions, kp)
		}
		e.EndTopic()
		node := kmsg.NewFetchResponseBroker()
		node.NodeID, node.Host, node.Port, node.Rack = 4, "host", 9092, kmsg.StringPtr("rack")
		if v >= 16 {
			want.Brokers = append(want.Brokers, node)
		}
		e.End([]api.Node{{ID: 4, Host: "host", Port: 9092, Rack: "rack"}})
		wire = append(wire, e.Bytes()[cut:]...)
		want.Topics = append(want.Topics, kt)
		require.Equal(t, want.AppendTo(nil), wire, "v%d", v)
	}
}

// FuzzRequest feeds the first byte as the api key, the second as the version,
// and the rest as a body to whatever decodes it.
func FuzzRequest(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range api.Specs() {
		s := &api.Specs()[i]
		for v := s.First; v <= s.Max; v++ {
			_, body := randomBody(r, s, v)
			f.Add(append([]byte{byte(s.Key), byte(v)}, body...))
		}
	}
	f.Add([]byte{3, 12, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}) // four billion tags
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 2 {
			return
		}
		s, v, body := api.Lookup(int16(in[0])), int16(in[1]), in[2:]
		if s == nil || !s.Serves(v) {
			return
		}
		switch s.Key {
		case kmsg.Produce:
			var ours api.ProduceRequest
			theirs := kmsg.NewProduceRequest()
			theirs.SetVersion(v)
			if ours.Decode(v, body) == nil && theirs.ReadFrom(body) == nil && len(ours.Topics) != len(theirs.Topics) {
				t.Errorf("v%d: %d topics, kmsg sees %d", v, len(ours.Topics), len(theirs.Topics))
			}
		case kmsg.Fetch:
			var ours api.FetchRequest
			theirs := kmsg.NewFetchRequest()
			theirs.SetVersion(v)
			if ours.Decode(v, body) == nil && theirs.ReadFrom(body) == nil && len(ours.Topics) != len(theirs.Topics) {
				t.Errorf("v%d: %d topics, kmsg sees %d", v, len(ours.Topics), len(theirs.Topics))
			}
		default:
			req := kmsg.RequestForKey(s.Key.Int16())
			req.SetVersion(v)
			if s.Check(v, body) == nil {
				_ = req.ReadFrom(body) // may still refuse, must not blow up
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 2, 'm', 'e', 0})
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < api.HeaderPrefix {
			return
		}
		spec := api.Lookup(api.ParsePrefix(frame).Key)
		if spec == nil {
			return
		}
		h, body, err := api.ParseHeader(spec, frame, "")
		if err == nil && len(body)+len(h.ClientID) > len(frame) {
			t.Errorf("more came out than went in: %+v", h)
		}
	})
}
