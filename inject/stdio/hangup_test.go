//go:build unix

package stdio

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestHungUpSeesTheLastWriterLeave(t *testing.T) {
	r, w := pipe(t)
	_, _ = io.WriteString(w, "unread")
	hungUp := make(chan bool)
	go func() { hungUp <- HungUp(t.Context(), r) }()
	select {
	case <-hungUp:
		t.Error("there is a writer")
	default:
	}
	_ = w.Close()
	if !<-hungUp {
		t.Error("the end was not seen")
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != "unread" {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestHungUpEndsWithItsContext(t *testing.T) {
	r, _ := pipe(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	var waits sync.WaitGroup
	for _, f := range []*os.File{r, file} {
		waits.Go(func() {
			if HungUp(ctx, f) {
				t.Errorf("%s has hung up", f.Name())
			}
		})
	}
	cancel()
	waits.Wait()
}
