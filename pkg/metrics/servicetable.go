package metrics

import (
	dto "github.com/prometheus/client_model/go"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/status"
)

// serviceTable is the part of the table with one series for each virtual service
// of the kernel or the configuration. Metrics of one service share its labels.
func serviceTable(s *scrape) []family {
	pairs := make([][]*dto.LabelPair, len(s.Status.Services))
	for i, v := range s.Status.Services {
		pairs[i] = labels("service", v.Service.String(), "virtual", v.Virtual)
	}
	line := func(name string, kind dto.MetricType, help string, value func(*status.Service) float64) family {
		return family{name, kind, help, func(s *scrape, add add) {
			for i := range s.Status.Services {
				add(value(&s.Status.Services[i]), pairs[i])
			}
		}}
	}
	return []family{
		line("lvsd_service_present", gauge, "1 if the kernel has the virtual service.",
			func(s *status.Service) float64 { return boolean(s.Present) }),
		line("lvsd_service_quorum_lost", gauge, "1 if too little weight of the service is up, so that its fallback serves if it has one.",
			func(s *status.Service) float64 { return boolean(s.QuorumLost) }),
		line("lvsd_service_failures_ignored", gauge, "1 if so few servers of the service are up that their failures are not believed (min_available).",
			func(s *status.Service) float64 { return boolean(s.Ignoring) }),
		line("lvsd_service_connections_total", counter, "Connections of the service since the kernel has it.",
			func(s *status.Service) float64 { return float64(s.Counters.Connections) }),
		line("lvsd_service_incoming_packets_total", counter, "Packets from clients.",
			func(s *status.Service) float64 { return float64(s.Counters.PacketsIn) }),
		line("lvsd_service_outgoing_packets_total", counter, "Packets to clients; 0 with direct routing and tunnels, whose answers do not pass the director.",
			func(s *status.Service) float64 { return float64(s.Counters.PacketsOut) }),
		line("lvsd_service_incoming_bytes_total", counter, "Bytes from clients.",
			func(s *status.Service) float64 { return float64(s.Counters.BytesIn) }),
		line("lvsd_service_outgoing_bytes_total", counter, "Bytes to clients; 0 with direct routing and tunnels.",
			func(s *status.Service) float64 { return float64(s.Counters.BytesOut) }),
	}
}

// row is a real server of a service with the labels that its metrics share.
type row struct {
	*status.Server
	labels []*dto.LabelPair
}

// serverTable is the part of the table with one series for each real server of
// each virtual service.
func serverTable(s *scrape) []family {
	var rows []row
	for i := range s.Status.Services {
		v := &s.Status.Services[i]
		service := v.Service.String()
		for j := range v.Servers {
			r := &v.Servers[j]
			rows = append(rows, row{r, labels("address", r.Address.String(), "real", r.Name, "service", service, "virtual", v.Virtual)})
		}
	}
	some := func(name string, kind dto.MetricType, help string, value func(*status.Server) (float64, bool)) family {
		return family{name, kind, help, func(_ *scrape, add add) {
			for _, r := range rows {
				if n, ok := value(r.Server); ok {
					add(n, r.labels)
				}
			}
		}}
	}
	line := func(name string, kind dto.MetricType, help string, value func(*status.Server) float64) family {
		return some(name, kind, help, func(s *status.Server) (float64, bool) { return value(s), true })
	}
	return []family{
		line("lvsd_server_present", gauge, "1 if the kernel has the real server in the service.",
			func(s *status.Server) float64 { return boolean(s.Present) }),
		line("lvsd_server_weight", gauge, "Weight in the kernel; 0 gets no new connections.",
			func(s *status.Server) float64 { return float64(s.Weight) }),
		line("lvsd_server_configured_weight", gauge, "Weight in the configuration.",
			func(s *status.Server) float64 { return float64(s.Configured) }),
		line("lvsd_server_overridden", gauge, "1 if the operator's word (lvsd drain, lvsd weight) decides about the server's weight.",
			func(s *status.Server) float64 { return boolean(s.Override != nil) }),
		some("lvsd_server_up", gauge, "1 if all checks of the server pass, 0 if one does not; not there without checks and before the first result.", up),
		some("lvsd_server_health_since_timestamp_seconds", gauge, "When the server came up or went down.",
			func(s *status.Server) (float64, bool) {
				if s.Health == nil || s.Health.Since.IsZero() {
					return 0, false
				}
				return unix(s.Health.Since), true
			}),
		some("lvsd_server_flapping", gauge, "1 if a check of the server changes its state too often.",
			func(s *status.Server) (float64, bool) {
				return boolean(s.Health != nil && s.Health.Flapping), s.Health != nil
			}),
		some("lvsd_server_check_duration_seconds", gauge, "Time of the server's last probe; of several checks the slowest.", slowest),
		line("lvsd_server_active_connections", gauge, "Connections that are open.",
			func(s *status.Server) float64 { return float64(s.Active) }),
		line("lvsd_server_inactive_connections", gauge, "Connections that are opening or closing, and all of UDP.",
			func(s *status.Server) float64 { return float64(s.Inactive) }),
		line("lvsd_server_persistent_connections", gauge, "Clients that are bound to the server by persistence.",
			func(s *status.Server) float64 { return float64(s.Persistent) }),
		line("lvsd_server_connections_total", counter, "Connections of the server since the kernel has it.",
			func(s *status.Server) float64 { return float64(s.Counters.Connections) }),
		line("lvsd_server_incoming_packets_total", counter, "Packets from clients.",
			func(s *status.Server) float64 { return float64(s.Counters.PacketsIn) }),
		line("lvsd_server_outgoing_packets_total", counter, "Packets to clients; 0 with direct routing and tunnels, whose answers do not pass the director.",
			func(s *status.Server) float64 { return float64(s.Counters.PacketsOut) }),
		line("lvsd_server_incoming_bytes_total", counter, "Bytes from clients.",
			func(s *status.Server) float64 { return float64(s.Counters.BytesIn) }),
		line("lvsd_server_outgoing_bytes_total", counter, "Bytes to clients; 0 with direct routing and tunnels.",
			func(s *status.Server) float64 { return float64(s.Counters.BytesOut) }),
	}
}

func up(s *status.Server) (float64, bool) {
	if s.Health == nil || s.Health.State == health.Unknown {
		return 0, false
	}
	return boolean(s.Health.State == health.Up), true
}

func slowest(s *status.Server) (float64, bool) {
	if s.Health == nil {
		return 0, false
	}
	most, known := 0.0, false
	for _, c := range s.Health.Checks {
		if !c.Last.At.IsZero() {
			most, known = max(most, c.Last.Seconds), true
		}
	}
	return most, known
}
