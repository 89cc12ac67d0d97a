package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/thalweg/thalweg/internal/golden/random"
)

// server is a running recorder: one process for all programs.
type server struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	mu  sync.Mutex // one question at a time
}

// answer is what the recorder made of a case.
type answer struct {
	asked  random.Case
	kase   random.Case // with results
	thrown string      // by Kafka Streams, which took no notice of the input
	err    error       // of the recorder
}

// broken reports whether Kafka Streams cannot run the case: it takes no such
// program, or trips over a null that it should not.
func (a *answer) broken() bool {
	return a.thrown != "" || a.kase.Error != nil && a.kase.Error.RootClass == "NullPointerException"
}

func start(classpath string) (*server, error) {
	cmd := exec.Command("java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", classpath, "Server")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the recorder: %w", err)
	}
	return &server{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<20)}, nil
}

func (s *server) stop() {
	s.in.Close()
	s.cmd.Wait()
}

// record asks for the run of a case.
func (s *server) record(c random.Case) answer {
	a := answer{asked: c}
	question, err := json.Marshal(c)
	if err != nil {
		a.err = err
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, a.err = s.in.Write(append(question, '\n')); a.err != nil {
		return a
	}
	text, err := s.out.ReadBytes('\n')
	if err != nil {
		a.err = fmt.Errorf("the recorder stopped: %w", err)
		return a
	}
	var refused struct {
		Thrown string `json:"thrown"`
	}
	if a.err = json.Unmarshal(text, &refused); a.err != nil {
		return a
	}
	if a.thrown = refused.Thrown; a.thrown == "" {
		a.err = json.Unmarshal(text, &a.kase)
	}
	return a
}
