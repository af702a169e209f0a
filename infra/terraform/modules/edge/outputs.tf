output "security_group_id" {
  description = "The load balancer's security group"
  value       = aws_security_group.this.id
}

output "target_group_arn" {
  description = "The gateway's target group, once something listens for it"
  value       = aws_lb_listener.https.default_action[0].target_group_arn
}

output "load_balancer_dns_name" {
  description = "Where the domain name points to"
  value       = aws_lb.this.dns_name
}

output "load_balancer_metric_name" {
  description = "The load balancer in metrics"
  value       = aws_lb.this.arn_suffix
}
