package vrrp

import (
	"testing"
	"time"
)

// What wakes the thread without a ring does not end the wait.
func TestBell(t *testing.T) {
	b, err := NewBell()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	heard := make(chan int)
	go func() {
		for i := range 2 {
			b.Wait()
			heard <- i
		}
	}()
	b.poller.wake()
	select {
	case <-heard:
		t.Fatal("it was heard, and has not rung")
	case <-time.After(50 * time.Millisecond):
	}
	for i := range 2 {
		b.Ring()
		if got := <-heard; got != i {
			t.Errorf("heard %d, want %d", got, i)
		}
	}
}
