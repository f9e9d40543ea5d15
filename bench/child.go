package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopMax is how long a program may take to stop before it is killed.
const stopMax = 30 * time.Second

// child is a program under measurement or beside it, in a process of its own.
type child struct {
	command *exec.Cmd
	out     *bufio.Scanner // its standard output, for as long as somebody reads on
	said    *tail          // the end of its standard error
	gone    chan struct{}
}

// start runs a program until stop. It is not bound to a context: it is stopped in order also when the run is cancelled.
func start(command *exec.Cmd) (*child, error) {
	c := &child{command: command, said: &tail{}, gone: make(chan struct{})}
	out, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	command.Stdout, command.Stderr = writer, c.said
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true // an interrupt from the terminal is for this process, which then stops the others in order
	err = command.Start()
	_ = writer.Close()
	if err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	go func() {
		_ = command.Wait() // how it ended is of interest only where somebody waits for it, who is told what it said
		_ = out.Close()
		close(c.gone)
	}()
	return c, nil
}

// line reads until a line that the caller wants.
func (c *child) line(want func(string) bool) (string, error) {
	for c.out.Scan() {
		if want(c.out.Text()) {
			return c.out.Text(), nil
		}
	}
	<-c.gone
	return "", fmt.Errorf("%s ended: %s", c.command.Path, c.said)
}

// drain reads what it says from now on, for nobody.
func (c *child) drain() {
	go func() {
		for c.out.Scan() {
		}
	}()
}

func (c *child) stop(signal os.Signal) {
	_ = c.command.Process.Signal(signal)
	select {
	case <-c.gone:
	case <-time.After(stopMax):
		_ = c.command.Process.Kill()
		<-c.gone
	}
}

// cpu is the processor time of the process so far.
func (c *child) cpu() (time.Duration, error) {
	s, err := readStat(c.command.Process.Pid)
	return s.own, err
}

// memory is the resident memory of the process, in bytes.
func (c *child) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", c.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of %s: %w", c.command.Path, err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, errors.New("read the memory: /proc has another format")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// stat is what Linux tells about a process.
type stat struct {
	parent      int
	own, waited time.Duration // processor time; waited: of the children that ended
}

// tick is the unit of processor times in /proc: USER_HZ, 100 on every Linux.
const tick = 10 * time.Millisecond

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, fmt.Errorf("read the CPU time (this needs Linux): %w", err)
	}
	// The name, in brackets, may hold anything; what follows it is numbers.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const parent, userTime, systemTime, waitedUser, waitedSystem = 1, 11, 12, 13, 14
	if len(fields) <= waitedSystem {
		return stat{}, errors.New("read the CPU time: /proc has another format")
	}
	var numbers [waitedSystem + 1]int64
	for _, at := range []int{parent, userTime, systemTime, waitedUser, waitedSystem} {
		if numbers[at], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return stat{}, fmt.Errorf("read the CPU time: %w", err)
		}
	}
	return stat{
		parent: int(numbers[parent]),
		own:    time.Duration(numbers[userTime]+numbers[systemTime]) * tick,
		waited: time.Duration(numbers[waitedUser]+numbers[waitedSystem]) * tick,
	}, nil
}

// familyCPU is the processor time of the process and of its children, those that ended among them.
func (c *child) familyCPU() (time.Duration, error) {
	head, err := readStat(c.command.Process.Pid)
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	all := head.own + head.waited
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil && s.parent == c.command.Process.Pid { // one that just ended is in head.waited next time
			all += s.own
		}
	}
	return all, nil
}

// tail keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	const kept = 8 << 10
	t.text = t.text[max(len(t.text)-kept, 0):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// waitFor asks until it is so.
func waitFor(ctx context.Context, what string, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, errors.Join(err, ctx.Err()))
		}
	}
}
