package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child and what it has taken so far.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

func start(command string, args ...string) (*process, error) {
	words := append(strings.Fields(command), args...)
	p := &process{cmd: exec.Command(words[0], words[1:]...), done: make(chan error, 1)}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// startBroker starts a broker on a free port and returns its address.
func startBroker(binary, flush, dir string) (*process, string, error) {
	p := &process{
		cmd:  exec.Command(binary, "broker", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "broker"), "--flush", flush, "--log-level", "warn"),
		done: make(chan error, 1),
	}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, "", err
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	go func() { p.done <- p.cmd.Wait() }()
	_, rest, found := strings.Cut(first, "serves ")
	if err != nil || !found {
		return nil, "", errors.Join(fmt.Errorf("the broker said %q", first), err, p.stop())
	}
	addr, _, _ := strings.Cut(rest, ",")
	return p, addr, nil
}

// ended reports whether the process is gone, and why.
func (p *process) ended() (bool, error) {
	select {
	case err := <-p.done:
		p.done <- err
		return true, err
	default:
		return false, nil
	}
}

// stop asks the process to end, and waits until it has.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := <-p.done
	p.done <- err
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && (exit.ExitCode() == 143 || !exit.Exited()) {
		return nil // ended by the signal, as a JVM does
	}
	return err
}

const ticks = 100 // a second, of /proc's times: USER_HZ of every Linux port of Go

// taken returns the processor time of a process.
func (p *process) taken() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is too short", p.cmd.Process.Pid)
	}
	user, err1 := strconv.Atoi(string(fields[11]))
	system, err2 := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err1, err2)
}

// peak returns the largest resident size, in bytes.
func (p *process) peak() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	_, err = fmt.Sscan(rest, &kib)
	return kib << 10, err
}

// busy returns the processor time that the machine has spent.
func busy() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	var user, nice, system, idle, wait, irq, soft int64
	if _, err := fmt.Sscanf(string(b), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft); err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	return time.Duration(user+nice+system+irq+soft) * time.Second / ticks, nil
}
