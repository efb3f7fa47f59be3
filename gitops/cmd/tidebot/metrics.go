package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/supervisor"
)

// metrics are what /metrics shows.
type metrics struct {
	registry    *prometheus.Registry
	commands    *prometheus.CounterVec
	requests    *prometheus.CounterVec
	seconds     prometheus.Histogram
	unavailable prometheus.Counter
	reloads     *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidebot_commands_total", Help: "Commands by verb and outcome.",
		}, []string{"verb", "outcome"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidebot_requests_total", Help: "Requests by how they ended: answered, ignored, failed.",
		}, []string{"end"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidebot_request_seconds", Help: "Time from the acceptance of a request to its answer.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}),
		unavailable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidebot_requests_unavailable_total", Help: "Requests turned away because too many were at work.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidebot_config_reloads_total", Help: "Configuration reloads by result.",
		}, []string{"result"}),
	}
	m.registry.MustRegister(m.commands, m.requests, m.seconds, m.unavailable, m.reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(res gitops.Result, err error, took time.Duration) {
	end := "answered"
	switch {
	case err != nil:
		end = "failed"
	case len(res.Commands) == 0:
		end = "ignored"
	}
	m.requests.WithLabelValues(end).Inc()
	if end != "ignored" {
		m.seconds.Observe(took.Seconds())
	}
	for _, c := range res.Commands {
		verb := string(c.Command.Verb)
		if verb == "" {
			verb = "malformed"
		}
		m.commands.WithLabelValues(verb, string(c.Outcome)).Inc()
	}
}

// watch shows how a front-end fares.
func (m *metrics) watch(name string, s *supervisor.Supervisor) {
	labels := prometheus.Labels{"frontend": name}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tidebot_frontend_ready", Help: "1 while the front-end's process takes requests.", ConstLabels: labels,
		}, func() float64 {
			if s.Status().State == supervisor.Ready {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tidebot_frontend_restarts_total", Help: "Times the front-end's process was started again.", ConstLabels: labels,
		}, func() float64 { return float64(s.Status().Restarts) }),
	)
}
