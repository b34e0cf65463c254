package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

var errInterrupted = errors.New("interrupted; nothing has been changed")

// heedInterrupts makes the first interrupt end the context and not the process,
// so that what is under way comes to an orderly end: a batch is finished, a lock
// released, a terminal restored. A command calls it when it has something of
// that sort; until then, as while it reads files, an interrupt ends the process
// at once. So does the second one always.
func (a *app) heedInterrupts() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		a.cancel()
	}()
}

// await returns what read returns, or the zero value and errInterrupted when ctx
// ends first. Nothing can end the reading of a terminal: read then goes on until
// the process ends, which it does next.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}
