package processor

// An Interceptor is called around user code of one processor in one task, and
// calls next, once, to run it: to measure, to log, to look at records, to turn an
// error into another or into nil. What it returns counts as what the processor
// returned. The record's topic, partition, offset, timestamp and headers are in
// the context; the stores that its Wrapper names can be opened there.
type Interceptor func(c *Context, call Call, next func() error) error

// Call is what user code is called for.
type Call struct {
	Node string
	Kind CallKind
	// Key and Value are the record's, in CallProcess; a null value is shown as
	// the zero value, or nil where the type has one.
	Key, Value any
}

// CallKind is the kind of a Call.
type CallKind uint8

const (
	// CallInit: the processor is made ready. It comes first, and also where the
	// processor itself has no Init.
	CallInit CallKind = iota + 1
	// CallProcess: there is a record.
	CallProcess
	// CallPunctuate: a schedule is due.
	CallPunctuate
)

var callNames = [...]string{"", "init", "process", "punctuate"}

func (k CallKind) String() string {
	if int(k) < len(callNames) {
		return callNames[k]
	}
	return "unknown call"
}

// Chain makes one interceptor of several, the first outermost. It returns nil
// for none.
func Chain(is ...Interceptor) Interceptor {
	switch len(is) {
	case 0:
		return nil
	case 1:
		return is[0]
	}
	first, rest := is[0], Chain(is[1:]...)
	return func(c *Context, call Call, next func() error) error {
		return first(c, call, func() error { return rest(c, call, next) })
	}
}

// Run calls f, user code of the scope's node, through the node's interceptor if
// it has one. It is for nodes; those that see many records look at Around first.
func (s *Scope) Run(c *Context, kind CallKind, key, value any, f func() error) error {
	if s == nil || s.Around == nil {
		return f()
	}
	return s.Around(c, Call{Node: s.Node, Kind: kind, Key: key, Value: value}, f)
}
