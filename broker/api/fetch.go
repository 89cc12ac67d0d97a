package api

// Fetch request and response (key 1).
//
//	v4  isolation level, aborted transactions
//	v5  log start offset
//	v7  fetch sessions (KIP-227)
//	v9  current leader epoch in the request
//	v10 zstd
//	v11 rack, preferred read replica (KIP-392)
//	v12 flexible; last fetched epoch, diverging epoch
//	v13 topic ids
//	v15 replica state in a tagged field
//	v16 leader hints (KIP-951)
//	v17 replica directory ids
//	v18 a follower's high watermark

// FetchRequest is a decoded Fetch request. Decode reuses its slices, and every
// byte slice aliases the frame.
type FetchRequest struct {
	Version       int16
	ReplicaID     int32 // -1 for a consumer, -2 for a debugging consumer
	ReplicaEpoch  int64
	MaxWaitMillis int32
	MinBytes      int32
	MaxBytes      int32
	// ReadCommitted is isolation level 1.
	ReadCommitted bool
	SessionID     int32
	SessionEpoch  int32
	Topics        []FetchTopic
	Partitions    []FetchPartition
	Forgotten     []ForgottenTopic
	ForgottenPart []int32
	Rack          []byte
}

// FetchTopic is one topic of a request; its partitions are
// Partitions[First:End] of the request.
type FetchTopic struct {
	Name       []byte   // before v13
	ID         [16]byte // from v13
	First, End int
}

// FetchPartition says where to read one partition.
type FetchPartition struct {
	Index              int32
	CurrentLeaderEpoch int32 // -1 if the client does not know it
	FetchOffset        int64
	LastFetchedEpoch   int32 // -1 if the client does not know it
	LogStartOffset     int64
	MaxBytes           int32
}

// ForgottenTopic lists partitions to drop from a session; they are
// ForgottenPart[First:End] of the request.
type ForgottenTopic struct {
	Name       []byte
	ID         [16]byte
	First, End int
}

// Decode reads the body of a Fetch request.
func (f *FetchRequest) Decode(version int16, body []byte) error {
	flexible := version >= 12
	r := NewReader(body, flexible)
	*f = FetchRequest{
		Version: version, ReplicaID: -1, ReplicaEpoch: -1, SessionEpoch: -1,
		Topics: f.Topics[:0], Partitions: f.Partitions[:0],
		Forgotten: f.Forgotten[:0], ForgottenPart: f.ForgottenPart[:0],
	}
	if version <= 14 {
		f.ReplicaID = r.Int32()
	}
	f.MaxWaitMillis = r.Int32()
	f.MinBytes = r.Int32()
	f.MaxBytes = r.Int32()
	f.ReadCommitted = r.Int8() == 1
	if version >= 7 {
		f.SessionID = r.Int32()
		f.SessionEpoch = r.Int32()
	}
	f.decodeTopics(&r)
	if version >= 7 {
		f.decodeForgotten(&r)
	}
	if version >= 11 {
		f.Rack = r.String()
	}
	if flexible {
		r.Tags(func(tag uint32, field *Reader) {
			if tag == 1 && version >= 15 {
				f.ReplicaID = field.Int32()
				f.ReplicaEpoch = field.Int64()
			}
		})
	}
	return r.Err()
}

func (f *FetchRequest) decodeTopics(r *Reader) {
	for range r.ArrayLen(5) {
		t := FetchTopic{First: len(f.Partitions)}
		if f.Version >= 13 {
			t.ID = r.UUID()
		} else {
			t.Name = r.String()
		}
		for range r.ArrayLen(16) {
			p := FetchPartition{Index: r.Int32(), CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, LogStartOffset: -1}
			if f.Version >= 9 {
				p.CurrentLeaderEpoch = r.Int32()
			}
			p.FetchOffset = r.Int64()
			if f.Version >= 12 {
				p.LastFetchedEpoch = r.Int32()
			}
			if f.Version >= 5 {
				p.LogStartOffset = r.Int64()
			}
			p.MaxBytes = r.Int32()
			r.endStruct()
			if r.err != nil {
				return
			}
			f.Partitions = append(f.Partitions, p)
		}
		r.endStruct()
		if r.err != nil {
			return
		}
		t.End = len(f.Partitions)
		f.Topics = append(f.Topics, t)
	}
}

func (f *FetchRequest) decodeForgotten(r *Reader) {
	for range r.ArrayLen(5) {
		t := ForgottenTopic{First: len(f.ForgottenPart)}
		if f.Version >= 13 {
			t.ID = r.UUID()
		} else {
			t.Name = r.String()
		}
		for range r.ArrayLen(4) {
			f.ForgottenPart = append(f.ForgottenPart, r.Int32())
		}
		r.endStruct()
		if r.err != nil {
			return
		}
		t.End = len(f.ForgottenPart)
		f.Forgotten = append(f.Forgotten, t)
	}
}

// FetchResult is the answer for one partition.
type FetchResult struct {
	Index          int32
	ErrorCode      int16
	HighWatermark  int64
	LastStable     int64
	LogStartOffset int64
	// ReadCommitted says whether Aborted is a list or null on the wire.
	ReadCommitted bool
	Aborted       []AbortedTxn
	Records       []byte
	// DivergingEpoch and DivergingEnd answer a reader whose last fetched epoch
	// is not in this log; an epoch below zero is none.
	DivergingEpoch int32
	DivergingEnd   int64
	// LeaderID and LeaderEpoch are the hint of v16; an id below zero is none.
	LeaderID    int32
	LeaderEpoch int32
}

// AbortedTxn tells a read_committed consumer which records to drop.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// FetchResponse encodes a Fetch response piece by piece, so that the records
// can be sent from where they lie: the frame is Head and the records in turn.
type FetchResponse struct {
	Version  int16
	flexible bool
	buf      []byte
}

// Begin starts the response body in b.
func (f *FetchResponse) Begin(b []byte, version int16, errorCode int16, sessionID int32, topics int) {
	f.Version, f.flexible = version, version >= 12
	b = appendInt32(b, 0) // throttle time
	if version >= 7 {
		b = appendInt16(b, errorCode)
		b = appendInt32(b, sessionID)
	}
	f.buf = appendArrayLen(b, topics, f.flexible)
}

// Topic starts a topic with this number of partitions; EndTopic ends it.
func (f *FetchResponse) Topic(name string, id [16]byte, partitions int) {
	switch {
	case f.Version >= 13:
		f.buf = append(f.buf, id[:]...)
	case f.flexible:
		f.buf = appendUvarint(f.buf, len(name)+1)
		f.buf = append(f.buf, name...)
	default:
		f.buf = appendInt16(f.buf, int16(len(name)))
		f.buf = append(f.buf, name...)
	}
	f.buf = appendArrayLen(f.buf, partitions, f.flexible)
}

// Partition writes everything of a partition that comes before its records,
// including their length. The caller sends the records and then EndPartition's
// bytes.
func (f *FetchResponse) Partition(p *FetchResult) {
	b := appendInt32(f.buf, p.Index)
	b = appendInt16(b, p.ErrorCode)
	b = appendInt64(b, p.HighWatermark)
	b = appendInt64(b, p.LastStable)
	if f.Version >= 5 {
		b = appendInt64(b, p.LogStartOffset)
	}
	if p.ReadCommitted {
		b = appendArrayLen(b, len(p.Aborted), f.flexible)
		for _, a := range p.Aborted {
			b = appendInt64(b, a.ProducerID)
			b = appendInt64(b, a.FirstOffset)
			if f.flexible {
				b = append(b, 0)
			}
		}
	} else {
		b = appendArrayLen(b, -1, f.flexible)
	}
	if f.Version >= 11 {
		b = appendInt32(b, -1) // no preferred read replica
	}
	f.buf = appendArrayLen(b, len(p.Records), f.flexible)
}

// EndPartition writes what follows the records.
func (f *FetchResponse) EndPartition(p *FetchResult) {
	if !f.flexible {
		return
	}
	diverging := p.DivergingEpoch >= 0
	hint := p.LeaderID >= 0
	switch {
	case diverging && hint:
		f.buf = append(f.buf, 2)
	case diverging || hint:
		f.buf = append(f.buf, 1)
	default:
		f.buf = append(f.buf, 0)
	}
	if diverging {
		f.buf = append(f.buf, 0, 13)
		f.buf = appendInt32(f.buf, p.DivergingEpoch)
		f.buf = appendInt64(f.buf, p.DivergingEnd)
		f.buf = append(f.buf, 0)
	}
	if hint {
		f.buf = appendLeaderTag(f.buf, 1, p.LeaderID, p.LeaderEpoch)
	}
}

// EndTopic ends a topic.
func (f *FetchResponse) EndTopic() {
	if f.flexible {
		f.buf = append(f.buf, 0)
	}
}

// End ends the response. leaders are the addresses of the brokers that the
// partitions name as leaders.
func (f *FetchResponse) End(leaders []Node) {
	if f.flexible {
		f.buf = appendNodeEndpoints(f.buf, leaders, f.Version >= 16)
	}
}

// Bytes returns what was encoded so far; it stays valid until the next call.
func (f *FetchResponse) Bytes() []byte { return f.buf }
