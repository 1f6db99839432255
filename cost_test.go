package gitsandbox

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

const (
	small = "2 vCPU, 512 MiB"
	large = "4 vCPU, 2 GiB"
	half  = "4 vCPU, memory not known"
)

func sandboxOf(size string) *e2b.SandboxInfo {
	return map[string]*e2b.SandboxInfo{
		small: {CPUCount: 2, MemoryMB: 512},
		large: {CPUCount: 4, MemoryMB: 2048},
		half:  {CPUCount: 4},
		"":    {},
	}[size]
}

func TestCostOfAnHour(t *testing.T) {
	t.Parallel()
	bySize := MetricsOptions{CostPerVCPUSecond: 0.000014, CostPerGiBSecond: 0.0000045}
	assuming := bySize
	assuming.AssumedCPUCount, assuming.AssumedMemoryMB = 8, 4096
	for name, tt := range map[string]struct {
		opts    MetricsOptions
		run     []string
		want    float64
		assumed int
	}{
		"nothing runs":         {MetricsOptions{}, nil, 0, 0},
		"flat by default":      {MetricsOptions{}, []string{small, large, ""}, 0.045, 0}, // 3 * 0.015
		"flat of one's own":    {MetricsOptions{CostPerSandboxHour: 0.5}, []string{small, large}, 1, 0},
		"flat and free":        {MetricsOptions{CostPerSandboxHour: -1}, []string{small}, 0, 0},
		"E2B's default":        {bySize, []string{small}, 0.1089, 0},        // (2*14 + 0.5*4.5) * 3600 / 1e6
		"sizes":                {bySize, []string{small, large}, 0.3429, 0}, // (6*14 + 2.5*4.5) * 3600 / 1e6
		"4 vCPU, 2 GiB":        {bySize, []string{large}, 0.234, 0},
		"not known":            {bySize, []string{""}, 0.1089, 1},
		"not known, told":      {assuming, []string{""}, 0.468, 1},         // (8*14 + 4*4.5) * 3600 / 1e6
		"half of it not known": {bySize, []string{half, large}, 0.4437, 1}, // (8*14 + 2.5*4.5) * 3600 / 1e6
		"memory is free":       {MetricsOptions{CostPerVCPUSecond: 0.001}, []string{large}, 14.4, 0},
		"size beats flat":      {MetricsOptions{CostPerSandboxHour: 9, CostPerGiBSecond: 0.001}, []string{large}, 7.2, 0},
		"negative is free":     {MetricsOptions{CostPerVCPUSecond: -1, CostPerGiBSecond: 0.001}, []string{large}, 7.2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewMetrics(&tt.opts)
			var ends []func()
			for _, size := range tt.run {
				ends = append(ends, m.begin(0, sandboxOf(size)))
			}
			b := m.accounts.balance()
			assert.InDelta(t, tt.want, b.hourly, 1e-12)
			assert.Equal(t, tt.assumed, b.assumed)
			for _, end := range ends {
				end()
			}
			assert.Zero(t, m.accounts.balance().hourly)
		})
	}
}

func TestCostProjections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(&MetricsOptions{CostPerVCPUSecond: 0.000014, CostPerGiBSecond: 0.0000045})
		end := m.begin(0, sandboxOf(large))
		m.begin(0, sandboxOf(small))
		advance(90 * time.Minute)
		end()
		advance(30 * time.Minute)
		// What ended is in the hours, 1.5 + 2, and not in the projections:
		// 0.1089, times 24, times 730.
		require.NoError(t, testutil.CollectAndCompare(m, strings.NewReader(`
# HELP estimated_cost_dollars Cost of a period if the sandboxes that run now went on.
# TYPE estimated_cost_dollars gauge
estimated_cost_dollars{period="daily"} 2.6136
estimated_cost_dollars{period="hourly"} 0.1089
estimated_cost_dollars{period="monthly"} 79.497
# HELP sandbox_hours_total Running time of sandboxes in hours.
# TYPE sandbox_hours_total counter
sandbox_hours_total{project="default"} 3.5
`), "estimated_cost_dollars", "sandbox_hours_total"))
	})
}

// Hours never go back, whatever is rounded, and nothing is left of sandboxes
// that have ended.
func TestHoursOnlyGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(nil)
		last := 0.0
		var ends []func()
		for i := range 1000 {
			ends = append(ends, m.begin(time.Duration(i)*time.Millisecond, sandboxOf(small)))
			advance(7 * time.Millisecond)
			if i%3 == 0 {
				ends[i/2]()
			}
			_, hours := m.accounts.read()
			require.GreaterOrEqual(t, hours, last)
			last = hours
		}
		for _, end := range ends {
			end()
		}
		active, hours := m.accounts.read()
		assert.Zero(t, active)
		assert.GreaterOrEqual(t, hours, last)
		assert.Zero(t, m.accounts.starts)
		m.begin(0, sandboxOf(small))
		advance(time.Hour)
		_, later := m.accounts.read()
		assert.InDelta(t, hours+1, later, 1e-9)
	})
}

// The clock of E2B decides about the age of a new sandbox only as far as that
// can be true.
func TestAgeOfANewSandbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		started := func(at time.Time) *newClone {
			return &newClone{
				asked: time.Now().Add(-10 * time.Second),
				s:     &Sandbox{live: &live{rec: record{Sandbox: attachment{StartedAt: at}}}},
			}
		}
		assert.Equal(t, 4*time.Second, started(time.Now().Add(-4*time.Second)).age())
		assert.Equal(t, 10*time.Second, started(time.Now().Add(-24*time.Hour)).age(), "its clock is a day behind")
		m := NewMetrics(nil)
		m.begin(started(time.Now().Add(time.Hour)).age(), sandboxOf(small))
		_, hours := m.accounts.read()
		assert.Zero(t, hours, "its clock is ahead")
		assert.False(t, math.Signbit(hours))
	})
}
