package admin

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine"
)

// happen has Live observe something now.
func happen(l *Live, server string, kind engine.EventKind) {
	l.Observe(engine.Event{At: time.Now(), Server: server, Kind: kind})
}

func whats(list []Point) (kinds []string) {
	for _, p := range list {
		kinds = append(kinds, p.What)
	}
	return kinds
}

func TestHistoryIsOfTheLastDayAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLive()
		for range maxPoints + 1 {
			happen(l, "a", engine.TokenRefreshed)
			time.Sleep(time.Second)
		}
		happen(l, "a", engine.TokenFailed)
		list := l.History("a")
		if len(list) != maxPoints || list[0].At.After(list[1].At) || !list[0].OK {
			t.Errorf("%d points, from %+v", len(list), list[0])
		}
		if last := list[maxPoints-1]; last.OK || last.What != "failed" || !last.At.Equal(time.Now().Truncate(time.Millisecond)) {
			t.Errorf("the last one is %+v", last)
		}
		time.Sleep(pointsLife - time.Second)
		happen(l, "a", engine.TokenAcquired)
		time.Sleep(2 * time.Second)
		if got := whats(l.History("a")); !slices.Equal(got, []string{"acquired"}) {
			t.Errorf("after a day: %v", got)
		}
		if list := l.History("nobody"); list == nil || len(list) != 0 {
			t.Errorf("of an unknown name: %v", list)
		}
		if list := (*Live)(nil).History("a"); list == nil || len(list) != 0 {
			t.Errorf("without a daemon: %v", list)
		}
	})
}

func TestWhatAPointSays(t *testing.T) {
	l := NewLive()
	for kind, ok := range map[engine.EventKind]bool{
		engine.TokenAcquired: true, engine.TokenRefreshed: true, engine.SignedIn: true, engine.TokenFailed: false,
		engine.SignInFailed: false, engine.TokenRevoked: false, engine.TokenInvalidated: false,
	} {
		happen(l, string(kind), kind)
		if list := l.History(string(kind)); len(list) != 1 || list[0].OK != ok || list[0].What != string(kind) {
			t.Errorf("%s: %+v", kind, list)
		}
	}
	for _, kind := range []engine.EventKind{engine.SignInBegun, engine.Changed} {
		happen(l, string(kind), kind)
		if list := l.History(string(kind)); len(list) != 0 {
			t.Errorf("%s is no renewal: %+v", kind, list)
		}
	}
}

func TestHistoryFollowsTheNames(t *testing.T) {
	l := NewLive()
	for _, name := range []string{"a", "b", "c", "kept"} {
		happen(l, name, engine.TokenAcquired)
	}
	happen(l, "a", engine.TokenFailed)
	l.Reloaded(config.Changes{
		{Action: config.Modify, Block: "log"},
		{Action: config.Rename, Server: "b", From: "a"}, {Action: config.Rename, Server: "d", From: "b"},
		{Action: config.Remove, Server: "c"}, {Action: config.Add, Server: "new"}, {Action: config.Rename, Server: "x", From: "unknown"},
	})
	for name, want := range map[string]int{"a": 0, "b": 2, "c": 0, "d": 1, "kept": 1, "new": 0, "x": 0, "": 0} {
		if got := len(l.History(name)); got != want {
			t.Errorf("%q has %d points, want %d", name, got, want)
		}
	}
	if len(l.marks) != 3 {
		t.Errorf("%d names are kept", len(l.marks))
	}
}

// A name that nobody has any more may be observed late; such names do not pile up.
func TestNamesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLive()
		for i := range maxNames + 10 {
			happen(l, fmt.Sprint(i), engine.TokenRevoked)
		}
		if len(l.marks) != maxNames || len(l.History("0")) != 1 {
			t.Errorf("%d names", len(l.marks))
		}
		time.Sleep(pointsLife / 2)
		happen(l, "1", engine.TokenRevoked)
		time.Sleep(pointsLife/2 + time.Second)
		happen(l, "new", engine.TokenAcquired)
		if len(l.marks) != 2 || len(l.History("new")) != 1 || len(l.History("1")) != 1 {
			t.Errorf("%d names after a day", len(l.marks))
		}
	})
}
