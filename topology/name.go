package topology

import "fmt"

// maxName is the longest name of a Kafka topic.
const maxName = 249

// CheckName reports why a name cannot be part of a topic's name: it may have
// letters, digits, '.', '_' and '-', at most 249 of them, and not be "." or
// "..".
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("the name %q is not allowed", name)
	}
	if len(name) > maxName {
		return fmt.Errorf("the name %q is longer than %d characters", name, maxName)
	}
	for _, r := range name {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
		if !ok {
			return fmt.Errorf("the name %q contains %q: use letters, digits, '.', '_' and '-'", name, r)
		}
	}
	return nil
}
