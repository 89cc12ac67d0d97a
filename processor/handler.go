package processor

// Action is what a failure handler decides.
type Action uint8

const (
	// Fail ends the task; nothing of the record at hand is committed.
	Fail Action = iota
	// Skip goes on without the record, at the node that failed.
	Skip
	// DeadLetter is Skip, and the input record's bytes are written to the
	// dead-letter topic, in the record's own transaction.
	DeadLetter
	// Retry abandons everything since the last commit and processes it again
	// after a while, with state as it was then.
	Retry
)

var actionNames = [...]string{"fail", "skip", "dead letter", "retry"}

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown action"
}

// FailureHandler decides what follows a failure. It is called by the task that
// failed, with that task's context, and must not keep it or the failure.
type FailureHandler func(c *Context, f *Failure) Action

// RetryError is the fatal error of a task whose failure handler chose Retry.
type RetryError struct{ Failure *Failure }

func (e *RetryError) Error() string { return "retry: " + e.Failure.Error() }
func (e *RetryError) Unwrap() error { return e.Failure }
