output "load_balancer_dns_name" {
  description = "Where domain_name must point to"
  value       = module.edge.load_balancer_dns_name
}

output "cluster_name" {
  description = "The ECS cluster"
  value       = aws_ecs_cluster.mesh.name
}

output "private_subnet_ids" {
  description = "Where one-off tasks such as migrations run"
  value       = module.network.private_subnet_ids
}

output "repository_urls" {
  description = "Where images are pushed to, by service"
  value       = module.registry.repository_urls
}

output "services" {
  description = "What a deployment needs to know of each service"
  value = {
    gateway = module.gateway.deployment
    agent   = module.agent.deployment
    engine  = module.engine.deployment
  }
}

output "secrets_to_fill" {
  description = "Secrets that begin as placeholders"
  value       = module.secrets.given_arns
}

output "deploy_role_arn" {
  description = "The role that the repository's workflow assumes"
  value       = one(module.delivery[*].role_arn)
}
