package api

// Produce request and response (key 0).
//
//	v3  record batches v2, transactional id
//	v5  log start offset in the response
//	v7  zstd
//	v8  per-record errors and a message
//	v9  flexible
//	v10 current leader in the response (KIP-951)
//	v11 TRANSACTION_ABORTABLE
//	v12 implicit AddPartitionsToTxn (KIP-890 part 2)
//	v13 topic ids instead of names

// ProduceRequest is a decoded Produce request. Decode reuses its slices, and
// every byte slice aliases the frame.
type ProduceRequest struct {
	Version       int16
	TransactionID []byte // nil if not transactional
	Acks          int16
	TimeoutMillis int32
	Topics        []ProduceTopic
	// Partitions holds those of all topics, in the order of the request.
	Partitions []ProducePartition
}

// ProduceTopic is one topic of a request; its partitions are
// Partitions[First:End] of the request.
type ProduceTopic struct {
	Name       []byte   // before v13
	ID         [16]byte // from v13
	First, End int
}

// ProducePartition is the data for one partition and, once handled, its result.
type ProducePartition struct {
	Index   int32
	Records []byte

	Result ProduceResult
}

// ProduceResult is the answer for one partition.
type ProduceResult struct {
	ErrorCode      int16
	ErrorMessage   string
	BaseOffset     int64
	LogAppendTime  int64
	LogStartOffset int64
	RecordErrors   []RecordError
	// LeaderID and LeaderEpoch are the hint of v10; an id below zero is none.
	LeaderID    int32
	LeaderEpoch int32
}

// RecordError names a record that made the broker refuse its batch.
type RecordError struct {
	Index   int32
	Message string
}

// Node is a broker's address, as clients must dial it.
type Node struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Decode reads the body of a Produce request.
func (p *ProduceRequest) Decode(version int16, body []byte) error {
	flexible := version >= 9
	r := NewReader(body, flexible)
	*p = ProduceRequest{Version: version, Topics: p.Topics[:0], Partitions: p.Partitions[:0]}
	p.TransactionID = r.String()
	p.Acks = r.Int16()
	p.TimeoutMillis = r.Int32()
	for range r.ArrayLen(5) {
		t := ProduceTopic{First: len(p.Partitions)}
		if version >= 13 {
			t.ID = r.UUID()
		} else {
			t.Name = r.String()
		}
		for range r.ArrayLen(5) {
			part := ProducePartition{Index: r.Int32(), Records: r.Bytes()}
			r.endStruct()
			if r.err != nil {
				return r.err
			}
			p.Partitions = append(p.Partitions, part)
		}
		r.endStruct()
		if r.err != nil {
			return r.err
		}
		t.End = len(p.Partitions)
		p.Topics = append(p.Topics, t)
	}
	r.endStruct()
	return r.Err()
}

// AppendResponse writes the response body from the results of the partitions.
// leaders are the addresses of the brokers that the results name as leaders.
func (p *ProduceRequest) AppendResponse(b []byte, leaders []Node) []byte {
	flexible := p.Version >= 9
	b = appendArrayLen(b, len(p.Topics), flexible)
	for i := range p.Topics {
		t := &p.Topics[i]
		if p.Version >= 13 {
			b = append(b, t.ID[:]...)
		} else {
			b = appendString(b, t.Name, flexible)
		}
		b = appendArrayLen(b, t.End-t.First, flexible)
		for j := t.First; j < t.End; j++ {
			b = p.appendPartition(b, &p.Partitions[j], flexible)
		}
		if flexible {
			b = append(b, 0)
		}
	}
	b = appendInt32(b, 0) // throttle time
	if flexible {
		b = appendNodeEndpoints(b, leaders, p.Version >= 10)
	}
	return b
}

func (p *ProduceRequest) appendPartition(b []byte, part *ProducePartition, flexible bool) []byte {
	res := &part.Result
	b = appendInt32(b, part.Index)
	b = appendInt16(b, res.ErrorCode)
	b = appendInt64(b, res.BaseOffset)
	b = appendInt64(b, res.LogAppendTime)
	if p.Version >= 5 {
		b = appendInt64(b, res.LogStartOffset)
	}
	if p.Version >= 8 {
		b = appendArrayLen(b, len(res.RecordErrors), flexible)
		for _, e := range res.RecordErrors {
			b = appendInt32(b, e.Index)
			b = appendNullableString(b, e.Message, flexible)
			if flexible {
				b = append(b, 0)
			}
		}
		b = appendNullableString(b, res.ErrorMessage, flexible)
	}
	if flexible {
		if p.Version >= 10 && res.LeaderID >= 0 {
			b = append(b, 1) // one tag
			b = appendLeaderTag(b, 0, res.LeaderID, res.LeaderEpoch)
		} else {
			b = append(b, 0)
		}
	}
	return b
}

// appendLeaderTag writes the CurrentLeader tagged field of KIP-951.
func appendLeaderTag(b []byte, tag byte, id, epoch int32) []byte {
	b = append(b, tag, 9)
	b = appendInt32(b, id)
	b = appendInt32(b, epoch)
	return append(b, 0)
}

// appendNodeEndpoints writes the tag section that ends a Produce or Fetch
// response: the addresses of the leaders named in it, in tag 0 (KIP-951).
func appendNodeEndpoints(b []byte, nodes []Node, supported bool) []byte {
	if len(nodes) == 0 || !supported {
		return append(b, 0)
	}
	field := appendUvarint(nil, len(nodes)+1)
	for _, n := range nodes {
		field = appendInt32(field, n.ID)
		field = appendString(field, []byte(n.Host), true)
		field = appendInt32(field, n.Port)
		field = appendNullableString(field, n.Rack, true)
		field = append(field, 0)
	}
	b = append(b, 1, 0)
	b = appendUvarint(b, len(field))
	return append(b, field...)
}
