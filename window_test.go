package gitsandbox

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from, to int // durations in ms, recorded from the last to the first; multiples of 10 are bad
		want     recent
	}{
		"nothing":           {1, 0, recent{}},
		"one":               {7, 7, recent{1, 0, 7 * time.Millisecond}},
		"two":               {7, 8, recent{2, 0, 8 * time.Millisecond}},
		"nineteen":          {1, 19, recent{19, 1, 19 * time.Millisecond}},
		"twenty":            {1, 20, recent{20, 2, 19 * time.Millisecond}},
		"a hundred":         {1, 100, recent{100, 10, 95 * time.Millisecond}},
		"as many as it has": {1, 512, recent{512, 51, 487 * time.Millisecond}}, // 0.95 * 512 is 486.4
		// 1 to 512 ms were recorded last.
		"more than it has": {1, 2000, recent{512, 51, 487 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w window
			for ms := tt.to; ms >= tt.from; ms-- {
				w.record(time.Duration(ms)*time.Millisecond, ms%10 == 0)
			}
			assert.Equal(t, tt.want, w.read())
		})
	}
}

func TestWindowUnderConcurrency(t *testing.T) {
	t.Parallel()
	var w window
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				w.record(time.Second, true)
				_ = w.read()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, recent{512, 512, time.Second}, w.read())
}
