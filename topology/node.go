package topology

// Kind is the kind of a node.
type Kind uint8

const (
	SourceNode Kind = iota + 1
	ProcessorNode
	SinkNode
)

func (k Kind) String() string {
	switch k {
	case SourceNode:
		return "Source"
	case SinkNode:
		return "Sink"
	default:
		return "Processor"
	}
}

// Node describes one operator of a topology.
type Node struct {
	ID       int // its place in Topology.Nodes
	Name     string
	Kind     Kind   // 0 for a node that an optimisation has removed
	Op       string // the operator, for people: "filter", "aggregate"
	Topics   []string
	Pattern  string // of a source that reads all topics that match; Topics are those of Over
	Internal bool   // the topics are internal: their names get the application's id
	User     bool   // it runs a processor of the user\'s
	Dynamic  bool   // a sink that chooses the topic of each record
	Reset    Reset
	Parents  []int
	Children []int
	Stores   []string
	Sub      int  // the sub-topology
	Global   bool // part of a global store, which runs in every process

	wrappers []Wrapper
}

// inputs names what a node reads or writes: a pattern instead of its topics.
func (n *Node) inputs() []string {
	if n.Pattern != "" {
		return []string{PatternName(n.Pattern)}
	}
	return n.Topics
}

// Declared is a store handle, as package state makes them.
type Declared interface{ StoreName() string }

// Store is one state store of a topology.
type Store struct {
	Name   string
	Handle Declared
	Nodes  []int // that use it, ascending
	Sub    int
	Global bool
	// Writer is the node that alone may write the store; "": all that use it.
	Writer string
	// SourceTopic is the topic that the store is restored from when it is not
	// an internal changelog: the topic of a global table, or of a table whose
	// source is its own changelog.
	SourceTopic string
	// NoChangelog says that changes are not written: there is SourceTopic, or
	// nothing needs restoring.
	NoChangelog bool
}

// SubTopology is a part of a topology that shares no node and no store with the
// others. Each of its partitions is one task.
type SubTopology struct {
	ID                int
	Global            bool
	Nodes             []int
	SourceTopics      []string // repartition topics included, without the application's id
	Patterns          []string // of sources that read all topics that match
	SinkTopics        []string // as far as they are known
	RepartitionTopics []string // those that it reads
	Stores            []string
	CopartitionGroups [][]string // topics that must have equal numbers of partitions
}

// InternalTopic is a topic that the application makes for itself.
type InternalTopic struct {
	Name       string // without the application's id
	Partitions int32  // 0: as many as its inputs
	// Strict says that Partitions was given by the user.
	Strict bool
}
