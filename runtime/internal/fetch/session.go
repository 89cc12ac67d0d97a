package fetch

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// session is an incremental fetch session with one broker (KIP-227): after the
// first request only what changed is sent. It has no I/O.
//
// Invariant: what the broker believes the session holds is exactly sent, or the
// next request is a full one that replaces it; and whoever asks for a partition
// gets an answer, if an empty one.
type session struct {
	id    int32
	epoch int32
	sent  map[key]want
}

// key names a partition to the broker: by id where there are ids (v13).
type key struct {
	topic     string
	id        [16]byte
	partition int32
}

// want is what is asked of one partition.
type want struct {
	cursor      *Cursor
	offset      int64
	leaderEpoch int32
	maxBytes    int32
}

// reset makes the next request a full one of a new session.
func (s *session) reset() { *s = session{} }

// advance takes in a good answer's session id.
func (s *session) advance(id int32) {
	if id == 0 {
		s.reset() // the broker keeps no session for us
		return
	}
	s.id = id
	if s.epoch++; s.epoch <= 0 {
		s.epoch = 1
	}
}

// fill puts into req what makes the session hold exactly wants.
func (s *session) fill(req *kmsg.FetchRequest, wants map[key]want) {
	// A session answers only what is new to it, and so would never tell a new
	// cursor where an idle partition ends that another cursor has read.
	for k, w := range wants {
		if old, ok := s.sent[k]; ok && old.cursor != w.cursor {
			s.reset()
			break
		}
	}
	req.SessionID, req.SessionEpoch = s.id, s.epoch
	full := s.epoch == 0
	if full {
		s.sent = nil
	}
	topics := make(map[topicKey]int)
	for k, w := range wants {
		if old, ok := s.sent[k]; ok && old == w {
			continue
		}
		i := at(topics, k, func() int {
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID = k.topic, k.id
			req.Topics = append(req.Topics, t)
			return len(req.Topics) - 1
		})
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition = k.partition
		p.FetchOffset = w.offset
		p.CurrentLeaderEpoch = w.leaderEpoch
		p.PartitionMaxBytes = w.maxBytes
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	if !full {
		forgotten := make(map[topicKey]int)
		for k := range s.sent {
			if _, ok := wants[k]; ok {
				continue
			}
			i := at(forgotten, k, func() int {
				t := kmsg.NewFetchRequestForgottenTopic()
				t.Topic, t.TopicID = k.topic, k.id
				req.ForgottenTopics = append(req.ForgottenTopics, t)
				return len(req.ForgottenTopics) - 1
			})
			req.ForgottenTopics[i].Partitions = append(req.ForgottenTopics[i].Partitions, k.partition)
		}
	}
	s.sent = wants
}

type topicKey struct {
	topic string
	id    [16]byte
}

// at finds k's topic in a request, adding it if it is not there yet.
func at(m map[topicKey]int, k key, add func() int) int {
	tk := topicKey{k.topic, k.id}
	i, ok := m[tk]
	if !ok {
		i = add()
		m[tk] = i
	}
	return i
}
