package group

import "github.com/twmb/franz-go/pkg/kerr"

// kerrError is a Kafka error; nil is success.
type kerrError = kerr.Error

var (
	errUnknownMember  = kerr.UnknownMemberID
	errFencedInstance = kerr.FencedInstanceID
)

// code is the error code for a response.
func code(err *kerrError) int16 {
	if err == nil {
		return 0
	}
	return err.Code
}
