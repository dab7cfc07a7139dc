package importer

import "maps"

// lexicon is what the words of a block are: "" for one that is carried over, else
// why it is not and what to do.
type lexicon map[string]string

// lex puts a lexicon together.
func lex(parts ...lexicon) lexicon {
	all := lexicon{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

// carried are words that lvsd has.
func carried(words ...string) lexicon { return told("", words...) }

// told are words that lvsd has not, with the same reason.
func told(why string, words ...string) lexicon {
	all := lexicon{}
	for _, w := range words {
		all[w] = why
	}
	return all
}

const (
	byItself   = "nothing to do: lvsd does so by itself"
	byUnit     = "say it in the unit of systemd, see docs/operations.md"
	byNetwork  = "routes and addresses that do not move belong to the system's network configuration"
	noProtocol = "lvsd keeps to the protocol here and has no such switch"
	noBFD      = "lvsd does not speak BFD; track a gateway or a link"
	ownVMAC    = "the names and modes of such interfaces are lvsd's own; see virtual_mac"
	announces  = "lvsd tells the neighbours seven times in the first five seconds, and again each announce_refresh"
	noFifo     = "a table [notify.NAME] runs a program for each event instead"
	noSNMP     = "lvsd has no SNMP: a table [http] gives metrics, lvsd status --json the state"
)

// The lexicons of the blocks of keepalived.conf, by keepalived 2.2.7.
var (
	keepalivedTop = lex(
		carried("global_defs", "vrrp_instance", "vrrp_sync_group", "vrrp_script", "vrrp_track_process", "track_file", "vrrp_track_file",
			"virtual_server", "virtual_server_group"),
		told(byNetwork+"; a table [vip] keeps single addresses", "static_ipaddress"),
		told(byNetwork, "static_routes", "static_rules"),
		told("lvsd has none: it looks only at what it made itself", "track_group"),
		told("keepalived loads it and verifies nothing; with verify = true in place of false a check verifies, and has ca_file, cert_file and key_file", "SSL"),
		told(noBFD, "bfd_instance"),
		told(announces, "garp_group"),
		told("a link that is down is told at once; fall = 2 or more in the track table waits", "interface_up_down_delays"),
		told(byItself, "linkbeat_use_polling", "linkbeat_interfaces", "use_pid_dir", "namespace_with_ipsets", "child_wait_time"),
		told("run lvsd in the namespace: NetworkNamespacePath= in the unit", "net_namespace", "net_namespace_ipvs"),
		told("several directors on one host have a state_dir each", "instance"),
	)
	keepalivedGlobal = lex(
		carried("router_id", "notification_email", "notification_email_from", "smtp_server", "smtp_connect_timeout", "smtp_alert", "smtp_alert_vrrp",
			"smtp_alert_checker", "vrrp_version", "script_user", "lvs_sync_daemon", "lvs_timeouts", "vrrp_garp_master_refresh"),
		told("the name that is greeted with is the host's", "smtp_helo_name"),
		told("vrrp adverts go to the group of the RFC", "vrrp_mcast_group4", "vrrp_mcast_group6"),
		told("each thing names its interface", "default_interface"),
		told("unmanaged = \"remove\" in [director] removes, and not only at the start, what lvsd does not know", "lvs_flush"),
		told(byItself, "lvs_flush_on_stop", "enable_script_security", "checker_log_all_failures", "vrrp_skip_check_adv_addr", "vrrp_check_unicast_src",
			"vrrp_iptables", "vrrp_ipsets", "nftables", "nftables_priority", "nftables_counters", "nftables_ifindex", "disable_local_igmp",
			"tmp_config_directory", "config_save_dir", "reload_check_config", "rs_init_notifies", "no_checker_emails", "no_email_faults",
			"vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force", "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force",
			"lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force", "lvs_netlink_monitor_rcv_bufs", "lvs_netlink_monitor_rcv_bufs_force",
			"process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force", "vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier", "umask", "use_symlink_paths",
			"max_process_monitor_queue", "vrrp_lower_prio_no_advert", "vrrp_higher_prio_send_advert"),
		told("all addresses and marks of a group are services of their own, which one mark in front of them would be too", "nftables_ipvs",
			"nftables_ipvs_priority", "nftables_ipvs_start_fwmark"),
		told(announces, "vrrp_garp_master_delay", "vrrp_garp_master_repeat", "vrrp_garp_lower_prio_delay", "vrrp_garp_lower_prio_repeat",
			"vrrp_garp_master_refresh_repeat", "vrrp_garp_interval", "vrrp_gna_interval", "vrrp_min_garp", "vrrp_garp_extra_if"),
		told(noProtocol, "vrrp_strict", "vrrp_down_timer_adverts"),
		told(noFifo, "notify_fifo", "notify_fifo_script", "vrrp_notify_fifo", "vrrp_notify_fifo_script", "lvs_notify_fifo", "lvs_notify_fifo_script",
			"vrrp_notify_priority_changes", "fifo_write_vrrp_states_on_reload"),
		told("ExecStartPre= and ExecStopPost= of the unit", "startup_script", "startup_script_timeout", "shutdown_script", "shutdown_script_timeout"),
		told(byUnit, "max_auto_priority", "min_auto_priority_delay", "vrrp_priority", "checker_priority", "bfd_priority", "vrrp_no_swap", "checker_no_swap",
			"bfd_no_swap", "vrrp_cpu_affinity", "checker_cpu_affinity", "bfd_cpu_affinity", "vrrp_rt_priority", "checker_rt_priority", "bfd_rt_priority",
			"vrrp_rlimit_rttime", "checker_rlimit_rttime", "bfd_rlimit_rttime", "vrrp_rlimit_rtime", "checker_rlimit_rtime", "bfd_rlimit_rtime",
			"process_names", "process_name", "vrrp_process_name", "checker_process_name", "bfd_process_name"),
		told(noSNMP, "snmp_socket", "enable_snmp_keepalived", "enable_snmp_vrrp", "enable_snmp_checker", "enable_snmp_rfc", "enable_snmp_rfcv2",
			"enable_snmp_rfcv3", "enable_traps", "snmp_vrrp_files", "enable_dbus", "dbus_service_name", "json_version", "include_vmacs"),
		told("run lvsd in the namespace: NetworkNamespacePath= in the unit", "net_namespace", "net_namespace_ipvs"),
		told("several directors on one host have a state_dir each", "instance"),
		told("the interfaces that VIPs are on are there before lvsd starts; it waits for them by itself", "startup_delay", "vrrp_startup_delay", "dynamic_interfaces",
			"allow_if_changes", "linkbeat_use_polling"),
	)
	keepalivedScript = lex(carried("script", "interval", "timeout", "weight", "rise", "fall", "user"),
		told("a command counts as good until fall looks were bad", "init_fail"))
	keepalivedProcess = lex(carried("process", "weight"),
		told("one process is enough for lvsd, or too few by one; a command can count", "quorum", "quorum_max", "quorum_min"),
		told("process is looked for each interval; fall = 2 or more in the track table waits", "delay", "fork_delay", "terminate_delay"),
		told("lvsd looks for the name of the program; a command can look at arguments", "full_command", "param_match", "parameters"))
	keepalivedFile = lex(carried("file", "weight"), told("lvsd never writes the file: write it once by hand", "init_file"))

	keepalivedNotify = lex(carried("notify", "notify_master", "notify_backup", "notify_fault", "smtp_alert"),
		told("lvsd tells of no own end; ExecStopPost= of the unit runs a program then", "notify_stop", "notify_deleted"),
		told("a split brain is told by [notify.NAME] with on = \"split-brain\"", "notify_master_rx_lower_pri"),
		told(noFifo, "notify_priority_changes"))
	keepalivedTracks = lex(carried("track_interface", "track_script", "track_process", "track_file"), told(noBFD, "track_bfd"))
	keepalivedGroup  = lex(keepalivedNotify, keepalivedTracks, carried("group", "sync_group_tracking_weight"),
		told("give the track tables to the instances", "global_tracking"))
	keepalivedInstance = lex(keepalivedNotify, keepalivedTracks,
		carried("interface", "virtual_router_id", "priority", "advert_int", "version", "virtual_ipaddress", "virtual_ipaddress_excluded",
			"unicast_peer", "unicast_src_ip", "mcast_src_ip", "authentication", "auth_type", "auth_pass", "nopreempt", "preempt_delay", "garp_master_refresh",
			"use_vmac", "lvs_sync_daemon_interface"),
		told("the priority decides; every director starts as a backup", "state"),
		told(byItself, "native_ipv6", "accept", "preempt", "promote_secondaries", "check_unicast_src", "skip_check_adv_addr", "kernel_rx_buf_size", "debug",
			"linkbeat_use_polling", "old_unicast_checksum", "unicast_fault_no_peer", "lower_prio_no_advert", "higher_prio_send_advert"),
		told("VIPs answer; a firewall can drop what is for them", "no_accept"),
		told("adverts go to the group of the RFC, or to peers", "mcast_dst_ip"),
		told("an interface without a carrier is a fault of its instance", "dont_track_primary"),
		told("adverts without a source are sent when it is back", "track_src_ip"),
		told("adverts leave with 255; min_ttl says what is believed", "unicast_ttl"),
		told(announces, "garp_master_delay", "garp_master_repeat", "garp_lower_prio_delay", "garp_lower_prio_repeat", "garp_master_refresh_repeat",
			"garp_extra_if", "garp_interval", "gna_interval"),
		told(noProtocol, "strict_mode", "down_timer_adverts"),
		told(ownVMAC, "use_vmac_addr", "vmac_xmit_base", "use_ipvlan"),
		told("lvsd knows no VRF", "vrf"),
		told(byNetwork+"; a program of [notify.NAME] with on = \"role-changed\" can move some", "virtual_routes", "virtual_rules"),
	)

	keepalivedServer = lex(
		carried("delay_loop", "lb_algo", "lvs_sched", "lb_kind", "lvs_method", "persistence_timeout", "persistence_granularity", "persistence_engine", "protocol", "ops",
			"flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback", "quorum", "hysteresis", "quorum_up", "quorum_down", "sorry_server",
			"sorry_server_lvs_method", "inhibit_on_failure", "connect_timeout", "retry", "delay_before_retry", "virtualhost", "ip_family", "real_server",
			"smtp_alert", "weight"),
		told("nothing to do: a standby checks too, so that it knows when it takes over", "ha_suspend"),
		told("always so: a new server waits for its first success", "alpha"),
		told("[notify.NAME] tells of what happens, not of the daemon's own end", "omega"),
		told(byItself, "warmup", "sorry_server_inhibit"),
		told(noSNMP, "snmp_name"),
	)
	keepalivedReal = lex(
		carried("weight", "lvs_method", "lb_kind", "notify_up", "notify_down", "uthreshold", "lthreshold", "smtp_alert", "virtualhost", "connect_timeout", "retry",
			"delay_before_retry", "delay_loop", "inhibit_on_failure",
			"TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "MISC_CHECK", "PING_CHECK", "UDP_CHECK"),
		told("always so: a new server waits for its first success", "alpha"),
		told("an exec check can read the file: exit code 0 is up, and with dynamic_weight = true 2 to 255 are weights", "FILE_CHECK"),
		told(noBFD, "BFD_CHECK"),
		told(byItself, "warmup"),
		told(noSNMP, "snmp_name"),
	)
	keepalivedCheck = lex(
		carried("connect_ip", "connect_port", "bindto", "fwmark", "connect_timeout", "retry", "nb_get_retry", "delay_before_retry", "delay_loop"),
		told("always so: a new server waits for its first success", "alpha"),
		told("the director chooses the port or interface that a check leaves by", "bind_if", "bind_port"),
		told(byItself, "warmup", "log_all_failures"),
	)
	keepalivedChecks = map[string]lexicon{
		"TCP_CHECK":  keepalivedCheck,
		"PING_CHECK": keepalivedCheck,
		"HTTP_GET":   keepalivedHTTP,
		"SSL_GET":    keepalivedHTTP,
		"SMTP_CHECK": lex(keepalivedCheck, carried("helo_name", "host")),
		"DNS_CHECK":  lex(keepalivedCheck, carried("type", "name")),
		"MISC_CHECK": lex(keepalivedCheck, carried("misc_path", "misc_timeout", "misc_dynamic", "user")),
		"UDP_CHECK": lex(keepalivedCheck, carried("payload", "require_reply"),
			told("the length of the answer does not count; expect can say what it is", "min_reply_length", "max_reply_length")),
	}
	keepalivedHTTP = lex(keepalivedCheck, carried("url", "virtualhost"),
		told("a request is one of HTTP/1.1", "http_protocol"),
		told(byItself, "fast_recovery", "enable_sni", "tls_compliant"))
	keepalivedURL = lex(carried("path", "status_code", "virtualhost", "regex", "regex_options"),
		told("lvsd compares no MD5 sums, so that only the status counts; add expect_body, a regular expression that the page must match", "digest"),
		told("lvsd has no expression that must not match; an exec check has", "regex_no_match"),
		told("the expression may match anywhere in the first MiB", "regex_stack", "regex_min_offset", "regex_max_offset"),
		told(byItself, "tls_compliant"))
)
