output "kms_key_arn" {
  description = "The key that encrypts everything at rest"
  value       = aws_kms_key.this.arn
}

output "mesh_secret_arn" {
  description = "The secret that holds MESH_SECRET"
  value       = aws_secretsmanager_secret.mesh.arn
}

output "given_arns" {
  description = "The secrets that a person fills in, by setting"
  value       = { for setting, secret in aws_secretsmanager_secret.given : setting => secret.arn }
}
